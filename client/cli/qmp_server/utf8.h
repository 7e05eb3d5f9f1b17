/* SPDX-License-Identifier: MIT */
/* UTF-8 with one exception: U+0000 is C0 80, as QEMU has it.  Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether a string may hold it: no surrogate, no noncharacter. */
bool qmp_utf8_valid(uint32_t code);

/* The character at text, which NUL ends; returns its length, 0: not valid. */
size_t qmp_utf8_decode(const char *text, uint32_t *ret);
