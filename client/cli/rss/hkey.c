/* SPDX-License-Identifier: MIT */
/* Keys as text.  A key is a secret: no byte of it may get into a reason. */
#include "client/cli/rss/hkey.h"

#include <errno.h>
#include <string.h>

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* How many bytes a well written key has; of others 40, where parsing finds what is wrong. */
static size_t key_length(const char *text)
{
	const size_t len = strlen(text), n = (len + 1) / 3;

	return len == 3 * n - 1 && !text[strspn(text, "0123456789abcdefABCDEF:")] ? n
										  : RSSB_KEY_BYTES;
}

int hkey_parse(const char *text, uint8_t ret[RSSB_KEY_BYTES], size_t *ret_len, char why[WHY_MAX])
{
	const size_t n = key_length(text);
	const char *at = text;

	*ret_len = RSSB_KEY_BYTES;
	if (!strcmp(text, "symmetric")) {
		for (size_t i = 0; i < RSSB_KEY_BYTES; i++)
			ret[i] = i % 2 ? 0x5a : 0x6d;
		return 0;
	}
	if (n != RSSB_KEY_BYTES && n != HKEY_LONG)
		return why_set(why, -EINVAL, "hkey: has %zu bytes, must be %d", n, RSSB_KEY_BYTES);
	for (size_t i = 0; i < n; i++, at += 3) {
		const int high = hex_digit(at[0]), low = high < 0 ? -1 : hex_digit(at[1]);

		if (low < 0)
			return why_set(why, -EINVAL, "hkey: byte %zu of %zu is not two hex digits",
				       i + 1, n);
		if (at[2] != (i + 1 < n ? ':' : '\0'))
			return why_set(why, -EINVAL, "hkey: byte %zu of %zu is not followed by %s",
				       i + 1, n, i + 1 < n ? "a colon" : "the end");
		if (i < RSSB_KEY_BYTES)
			ret[i] = (uint8_t)(high << 4 | low);
	}
	*ret_len = n;
	return 0;
}
