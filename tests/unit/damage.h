/* SPDX-License-Identifier: MIT */
/* Objects with damage: the same in every run. */
#pragma once

#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
	unsigned char *data;
	size_t size;
};

/* A copy of exactly this size: reading one byte more is seen by ASan. */
static inline struct bytes bytes_copy(const struct bytes *b, size_t size)
{
	struct bytes copy = { malloc(size ? size : 1), size };

	memcpy(copy.data, b->data, size);
	return copy;
}

static uint32_t damage_seed = 2463534242; /* never 0 */

/* xorshift */
static inline uint32_t next_random(void)
{
	uint32_t x = damage_seed;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return damage_seed = x;
}

/* Most of an object is code and line numbers: half of the damage goes where structure is. */
static inline size_t place_of_damage(const struct bytes *b)
{
	Elf64_Ehdr h;
	Elf64_Shdr s;

	memcpy(&h, b->data, sizeof(h));
	switch (next_random() % 8) {
	case 0:
		return next_random() % sizeof(h);
	case 1:
		return h.e_shoff + next_random() % (h.e_shnum * sizeof(s));
	case 2:
	case 3:
		memcpy(&s, b->data + h.e_shoff + next_random() % h.e_shnum * sizeof(s), sizeof(s));
		return s.sh_size ? s.sh_offset + next_random() % s.sh_size : 0;
	default:
		return next_random() % b->size;
	}
}

static inline void damage(struct bytes *b, const struct bytes *good)
{
	static const unsigned char likely[] = { 0, 1, 0x7f, 0x80, 0xff };

	for (uint32_t n = 1 + next_random() % 4; n; n--) {
		const size_t at = place_of_damage(good);

		if (at >= b->size)
			continue;
		if (next_random() % 2)
			b->data[at] = likely[next_random() % sizeof(likely)];
		else
			b->data[at] ^= 1u << next_random() % 8;
	}
}
