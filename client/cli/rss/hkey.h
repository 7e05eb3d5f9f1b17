/* SPDX-License-Identifier: MIT */
/* The value of hkey: a Toeplitz key as a person writes it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client/cli/util/why.h"
#include "client/include/rssb.h"

/* As long as some NICs' drivers have it; no input of RSS is long enough for the rest. */
#define HKEY_LONG 52

/*
 * "aa:bb:..." of 40 or 52 bytes, or "symmetric": 6d:5a repeated, by which both
 * directions of a flow have one hash.  *ret_len is what was written, the first 40
 * are in ret.  -EINVAL, with why: where it is wrong, not what the key is.
 */
int hkey_parse(const char *text, uint8_t ret[RSSB_KEY_BYTES], size_t *ret_len, char why[WHY_MAX]);
