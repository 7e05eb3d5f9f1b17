/* SPDX-License-Identifier: MIT */
/*
 * What every harness has: libFuzzer's entry, a check that is a finding when it
 * fails, and inputs read as a script of small numbers.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold for every input whatever. */
#define FUZZ_CHECK(holds)                                                                          \
	do {                                                                                       \
		if (!(holds)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #holds); \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* What is left of an input. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

/* At most max bytes; returns how many there were. */
static inline size_t fuzz_take(struct fuzz_input *in, const uint8_t **ret, size_t max)
{
	size_t n = max < in->left ? max : in->left;

	*ret = in->at;
	in->at += n;
	in->left -= n;
	return n;
}

/* Zero where the input has ended. */
static inline uint8_t fuzz_u8(struct fuzz_input *in)
{
	const uint8_t *byte;

	return fuzz_take(in, &byte, 1) ? *byte : 0;
}

static inline uint16_t fuzz_u16(struct fuzz_input *in)
{
	uint16_t low = fuzz_u8(in);

	return (uint16_t)(low | fuzz_u8(in) << 8);
}

static inline uint32_t fuzz_u32(struct fuzz_input *in)
{
	uint32_t low = fuzz_u16(in);

	return low | (uint32_t)fuzz_u16(in) << 16;
}

/* A copy with nothing behind its last byte, to be freed: a read too far is seen. */
static inline void *fuzz_copy(const void *data, size_t size)
{
	void *copy = calloc(1, size ? size : 1);

	FUZZ_CHECK(copy);
	return size ? memcpy(copy, data, size) : copy;
}

/* The same with a NUL behind it, as argv has its words. */
static inline char *fuzz_text(const void *data, size_t size)
{
	char *text = malloc(size + 1);

	FUZZ_CHECK(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}
