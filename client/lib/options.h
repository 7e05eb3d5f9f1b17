/* SPDX-License-Identifier: MIT */
/*
 * Sized option structs: a program and a library of different ages agree on
 * what both know, and never silently ignore what only one knows.
 */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Copies the struct at src, whose first member is its size as the program was
 * compiled, into the known_size bytes at dst.  What an older program does not
 * have becomes zero.  -EINVAL: not even the size is there, or a newer program
 * uses a field that this library does not know.
 */
static inline int options_copy(void *dst, size_t known_size, const void *src)
{
	const uint8_t *bytes = (const uint8_t *)src;
	size_t size;

	memcpy(&size, src, sizeof(size));
	if (size < sizeof(size))
		return -EINVAL;
	for (size_t i = known_size; i < size; i++)
		if (bytes[i])
			return -EINVAL;

	memset(dst, 0, known_size);
	memcpy(dst, src, size < known_size ? size : known_size);
	return 0;
}
