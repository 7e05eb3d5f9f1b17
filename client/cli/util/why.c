/* SPDX-License-Identifier: MIT */
/* A reason as text.  Pure. */
#include "client/cli/util/why.h"

#include <errno.h>
#include <stdarg.h>

int why_set(char why[WHY_MAX], int error, const char *format, ...)
{
	va_list args;

	errno = -error;
	va_start(args, format);
	vsnprintf(why, WHY_MAX, format, args);
	va_end(args);
	return error;
}
