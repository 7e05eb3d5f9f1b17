/* SPDX-License-Identifier: MIT */
/* Base64 as RFC 4648 section 4 has it: padded, in one line. */
#pragma once

#include <stddef.h>

/* The text's length without the NUL. */
#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* Writes BASE64_LEN(len) characters and a NUL to ret. */
void base64_encode(char *ret, const void *data, size_t len);
