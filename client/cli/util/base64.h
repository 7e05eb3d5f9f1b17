/* SPDX-License-Identifier: MIT */
/* Base64 as RFC 4648 section 4 has it: padded, in one line. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* The text's length without the NUL. */
#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* To be freed. */
char *base64_text(const void *data, size_t len);

/*
 * Reads `len` characters into ret, which has room for len / 4 * 3 bytes.  Returns
 * how many there were, or -EINVAL: it is not base64 as written above.
 */
ssize_t base64_decode(void *ret, const char *text, size_t len);
