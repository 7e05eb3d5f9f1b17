/* SPDX-License-Identifier: MIT */
/*
 * Reads the golden messages of tests/vectors/: "XX", "XX*N", "text", and # to the
 * end of the line.  Must never use what it is there to check.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VECTOR_MAX 8192

struct vector {
	size_t len;
	uint8_t bytes[VECTOR_MAX];
};

static inline void vector_append(struct vector *v, unsigned byte, size_t n)
{
	assert_true(v->len + n <= sizeof(v->bytes));
	memset(v->bytes + v->len, (int)byte, n);
	v->len += n;
}

/* Takes one token; returns what is behind it. */
static inline const char *vector_token(struct vector *v, const char *at)
{
	char *end;
	unsigned long byte, n = 1;

	if (*at == '"') {
		while (*++at != '"')
			vector_append(v, (unsigned char)*at, 1);
		return at + 1;
	}
	byte = strtoul(at, &end, 16);
	assert_ptr_equal(end, at + 2);
	if (*end == '*')
		n = strtoul(end + 1, &end, 10);
	vector_append(v, (unsigned)byte, n);
	return end;
}

static inline void vector_line(struct vector *v, const char *at)
{
	while (*(at += strspn(at, " \n")) && *at != '#')
		at = vector_token(v, at);
}

/* Reads tests/vectors/NAME.hex; the test fails if that cannot be done. */
static inline void vector_read(struct vector *ret, const char *name)
{
	char path[128], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "tests/vectors/%s.hex", name);
	f = fopen(path, "re");
	if (!f)
		fail_msg("%s: %m", path);
	ret->len = 0;
	while (fgets(line, sizeof(line), f))
		vector_line(ret, line);
	fclose(f);
	assert_true(ret->len > 0);
}

/* Makes the header's length field say len; the packet's own length is the caller's. */
static inline void vector_set_length(struct vector *v, size_t len)
{
	for (size_t i = 0; i < 4; i++)
		v->bytes[8 + i] = (uint8_t)(len >> 8 * i);
}

static inline void assert_is_vector(const void *bytes, size_t len, const char *name)
{
	struct vector v;

	vector_read(&v, name);
	assert_int_equal(len, v.len);
	assert_memory_equal(bytes, v.bytes, len);
}
