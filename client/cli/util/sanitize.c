/* SPDX-License-Identifier: MIT */
/*
 * Replaces what a terminal would obey: text of a QEMU, of a file name or of a broker may hold
 * escape sequences.
 */
#include "client/cli/util/sanitize.h"

#include <stdbool.h>

/* C0 and DEL; or the first byte of C1, U+0080 to U+009F. */
static bool is_control(const unsigned char *p)
{
	return *p < ' ' || *p == 0x7f || (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0);
}

char *sanitize_line(char *text)
{
	for (char *p = text; *p; p++) {
		if (!is_control((unsigned char *)p))
			continue;
		if ((unsigned char)*p == 0xc2)
			*p++ = '?';
		*p = '?';
	}
	return text;
}
