/* SPDX-License-Identifier: MIT */
/* What the wire's numbers are called.  Pure. */
#include "proto/text.h"

#include <stddef.h>

void rssb_hex_format(char *ret, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*ret++ = digits[bytes[i] >> 4];
		*ret++ = digits[bytes[i] & 15];
	}
	*ret = '\0';
}

char *text_sanitize(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			*p++ = '?'; /* U+0080 to U+009F */
		else if (*p >= ' ' && *p != 0x7f)
			continue;
		*p = '?';
	}
	return text;
}

void rssb_object_id_format(char ret[2 * RSSB_OBJECT_ID_LEN + 1],
			   const uint8_t id[RSSB_OBJECT_ID_LEN])
{
	rssb_hex_format(ret, id, RSSB_OBJECT_ID_LEN);
}

const char *rssb_status_name(unsigned status)
{
	static const char *const names[] = {
		[RSSB_OK] = "ok",
		[RSSB_MALFORMED] = "malformed",
		[RSSB_VERSION] = "version",
		[RSSB_UNKNOWN_OP] = "unknown-op",
		[RSSB_INVALID] = "invalid",
		[RSSB_DENIED] = "denied",
		[RSSB_NO_OBJECT] = "no-object",
		[RSSB_NO_GRANT] = "no-grant",
		[RSSB_LABEL_TAKEN] = "label-taken",
		[RSSB_BUSY] = "busy",
		[RSSB_LIMIT] = "limit",
		[RSSB_INTERNAL] = "internal",
		[RSSB_WRONG_KIND] = "wrong-kind",
		[RSSB_TIMEOUT] = "timeout",
	};

	return status < sizeof(names) / sizeof(names[0]) ? names[status] : "?";
}

const char *rssb_abi_name(unsigned abi)
{
	return abi == RSSB_ABI_QEMU_RSS_1 ? "qemu-rss-1" : "?";
}
