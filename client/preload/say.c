/* SPDX-License-Identifier: MIT */
/* What librssb-qemu.so says.  It must never use stdio, whose locks are QEMU's. */
#include "client/preload/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void preload_say(const char *format, ...)
{
	static const char what[] = "rssb: on-demand: ";
	char line[768];
	int saved = errno;
	va_list args;
	size_t len;

	memcpy(line, what, sizeof(what));
	va_start(args, format);
	vsnprintf(line + sizeof(what) - 1, sizeof(line) - sizeof(what), format, args);
	va_end(args);
	len = strlen(line);
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		errno = saved; /* nobody is left to be told */
	errno = saved;
}
