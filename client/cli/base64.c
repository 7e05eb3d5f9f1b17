/* SPDX-License-Identifier: MIT */
/* Bytes to base64.  Pure. */
#include "base64.h"

#include <stdint.h>

#define PAD 64

void base64_encode(char *ret, const void *data, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
	const uint8_t *in = data;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t group = (uint32_t)in[i] << 16;

		if (n > 1)
			group |= (uint32_t)in[i + 1] << 8;
		if (n > 2)
			group |= in[i + 2];
		*ret++ = digits[group >> 18];
		*ret++ = digits[group >> 12 & 63];
		*ret++ = digits[n > 1 ? group >> 6 & 63 : PAD];
		*ret++ = digits[n > 2 ? group & 63 : PAD];
	}
	*ret = '\0';
}
