/* SPDX-License-Identifier: MIT */
/* Bytes to base64, and back.  Pure. */
#include "client/cli/util/base64.h"
#include "client/cli/util/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PAD 64

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

char *base64_text(const void *data, size_t len)
{
	char *text = mem_new(BASE64_LEN(len) + 1, 1), *out = text;
	const uint8_t *in = data;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t group = (uint32_t)in[i] << 16;

		if (n > 1)
			group |= (uint32_t)in[i + 1] << 8;
		if (n > 2)
			group |= in[i + 2];
		*out++ = digits[group >> 18];
		*out++ = digits[group >> 12 & 63];
		*out++ = digits[n > 1 ? group >> 6 & 63 : PAD];
		*out++ = digits[n > 2 ? group & 63 : PAD];
	}
	return text;
}

/* Four digits as 24 bits; the last `padding` of them are '='.  -EINVAL: they are not. */
static int32_t decode_group(const char *text, size_t padding)
{
	uint32_t group = 0;

	for (size_t i = 0; i < 4; i++) {
		const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
		const bool is_pad = digit && digit - digits == PAD;

		if (!digit || is_pad != (i >= 4 - padding))
			return -EINVAL;
		group = group << 6 | (is_pad ? 0 : (uint32_t)(digit - digits));
	}
	return (int32_t)group;
}

ssize_t base64_decode(void *ret, const char *text, size_t len)
{
	uint8_t *out = ret;
	size_t padding;

	if (len == 0 || len % 4)
		return len ? -EINVAL : 0;
	padding = (text[len - 1] == '=') + (text[len - 2] == '=');

	for (size_t i = 0; i < len; i += 4) {
		const size_t missing = i + 4 == len ? padding : 0;
		const int32_t group = decode_group(text + i, missing);

		/* Bits that belong to no byte are zero: one text for the same bytes. */
		if (group < 0 || (group & ((1 << 8 * missing) - 1)))
			return -EINVAL;
		for (size_t k = 0; k < 3 - missing; k++)
			*out++ = (uint8_t)(group >> (16 - 8 * k));
	}
	return out - (uint8_t *)ret;
}
