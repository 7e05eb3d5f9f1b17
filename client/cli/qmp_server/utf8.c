/* SPDX-License-Identifier: MIT */
/* UTF-8, decoded strictly: no overlong form but that of U+0000. */
#include "client/cli/qmp_server/utf8.h"

bool qmp_utf8_valid(uint32_t code)
{
	if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return false;
	return (code < 0xfdd0 || code > 0xfdef) && (code & 0xfffe) != 0xfffe;
}

size_t qmp_utf8_decode(const char *text, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *in = (const unsigned char *)text;
	const size_t len = in[0] < 0x80 ? 1 : in[0] < 0xe0 ? 2 : in[0] < 0xf0 ? 3 : 4;
	uint32_t code;

	if ((in[0] & 0xc0) == 0x80 || in[0] >= 0xf8)
		return 0;
	code = len == 1 ? in[0] : in[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((in[i] & 0xc0) != 0x80) /* the NUL at the end, too */
			return 0;
		code = code << 6 | (in[i] & 0x3f);
	}
	if ((code < least[len] && !(len == 2 && code == 0)) || !qmp_utf8_valid(code))
		return 0;
	*ret = code;
	return len;
}
