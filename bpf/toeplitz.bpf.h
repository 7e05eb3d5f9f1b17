/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The low bits of a Toeplitz hash, as many as an indirection table can use.
 *
 * Bit b of the hash is the parity of the input ANDed with the key shifted left
 * by 31 - b.  A table has at most 128 entries, so seven bits are enough: seven
 * sums of `input & key shifted`, folded together.  Taken 58 bits of input at a time
 * one 64-bit word has the key for all seven: it needs but to be shifted.  No table
 * and no state, so a writer of the key cannot be raced, and no branch on key or packet.
 *
 * Everything must stay in registers and at constant stack offsets: that is what
 * lets the program load with CAP_BPF alone.
 */
#pragma once

#include <stdbool.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>

#include "bpf/rss_maps.h"

#define TOEPLITZ_WORDS (RSS_KEY_LEN / 8)

/* Number i of the key's 64-bit words, most significant bit first. */
static __always_inline __u64 toeplitz_key_word(const struct rss_key *key, int i)
{
	const __u32 *half = (const __u32 *)key;

	if (i == 0)
		return (__u64)half[0] << 32 | bpf_ntohl(half[1]);
	return bpf_be64_to_cpu(((const __u64 *)key)[i]);
}

/*
 * Two words become one of the same parities: each pair of neighbouring lanes,
 * `shift` bits wide, XORed, a's in the low lane and b's in the high one.
 * low: the low lanes.
 */
static __always_inline __u64 toeplitz_merge(__u64 a, __u64 b, int shift, __u64 low)
{
	__u64 swap = ((a >> shift) ^ b) & low;

	return a ^ b ^ swap ^ swap << shift;
}

#define TOEPLITZ_BITS	 7		      /* of the hash */
#define TOEPLITZ_CHUNK	 (65 - TOEPLITZ_BITS) /* bits of input that a word of key serves */
#define TOEPLITZ_IN_MASK (-1ull << (64 - TOEPLITZ_CHUNK))
#define TOEPLITZ_FIRST	 (32 - TOEPLITZ_BITS) /* bit of the key that the first bit of input meets */

/* in: a chunk of input, in the high bits; key: from the bit on that its first bit meets. */
static __always_inline void toeplitz_add(__u64 sums[TOEPLITZ_BITS], __u64 in, __u64 key)
{
#pragma unroll
	for (int b = 0; b < TOEPLITZ_BITS; b++)
		sums[b] ^= in & key << (TOEPLITZ_BITS - 1 - b);
}

/* Bit i of the result's low 7 is the parity of sums[i]. */
static __always_inline __u32 toeplitz_fold(const __u64 sums[TOEPLITZ_BITS])
{
	const __u64 m1 = 0x5555555555555555, m2 = 0x3333333333333333, m4 = 0x0f0f0f0f0f0f0f0f;
	__u64 s01 = toeplitz_merge(sums[0], sums[1], 1, m1);
	__u64 s23 = toeplitz_merge(sums[2], sums[3], 1, m1);
	__u64 s03 = toeplitz_merge(s01, s23, 2, m2);
	__u64 s45 = toeplitz_merge(sums[4], sums[5], 1, m1);
	__u64 s46 = toeplitz_merge(s45, sums[6] ^ sums[6] >> 1, 2, m2);
	__u64 s = toeplitz_merge(s03, s46, 4, m4);

	s ^= s >> 32;
	s ^= s >> 16;
	return s ^ s >> 8;
}

/* 64 bits from bit `at` on of two words that follow on each other. */
#define TOEPLITZ_WINDOW(first, second, at) ((first) << (at) | (second) >> (64 - (at)))

/* A chunk of `in` and `next_in`, which are word number i of the input and the word behind it. */
static __always_inline void toeplitz_chunk(__u64 sums[TOEPLITZ_BITS], const struct rss_key *key,
					   int i, __u64 before, __u64 in)
{
	/* Each word ends 6 bits of input, and of key, later than the chunk that it begins in. */
	const int late = i * (64 - TOEPLITZ_CHUNK), at = TOEPLITZ_FIRST - late;
	__u64 next = i + 1 < TOEPLITZ_WORDS ? toeplitz_key_word(key, i + 1) : 0;

	toeplitz_add(sums, (i ? TOEPLITZ_WINDOW(before, in, 64 - late) : in) & TOEPLITZ_IN_MASK,
		     TOEPLITZ_WINDOW(toeplitz_key_word(key, i), next, at));
}

/*
 * The hash's low 7 bits, more bits undefined above.  words: as they lie in the packet, of which
 * the second counts where `keep` has ones, in host byte order; that is all there is to
 * IPv4: addresses and ports.  IPv6, or anything else, has `more`: four words of
 * addresses, and then its ports, 0 for none.
 *
 * One hash for both: the verifier follows it once, and where many sets take turns there is less
 * code to be fetched.
 */
static __always_inline __u32 toeplitz(const struct rss_key *key, const __be64 *words, __u64 keep,
				      bool more, __be32 ports)
{
	__u64 in[TOEPLITZ_WORDS] = { bpf_be64_to_cpu(words[0]), bpf_be64_to_cpu(words[1]) & keep };
	__u64 sums[TOEPLITZ_BITS] = { 0 };

	toeplitz_chunk(sums, key, 0, 0, in[0]);
	toeplitz_chunk(sums, key, 1, in[0], in[1]);
	if (more) {
		in[2] = bpf_be64_to_cpu(words[2]);
		in[3] = bpf_be64_to_cpu(words[3]);
		in[4] = (__u64)bpf_ntohl(ports) << 32;
#pragma unroll
		for (int i = 2; i < TOEPLITZ_WORDS; i++)
			toeplitz_chunk(sums, key, i, in[i - 1], in[i]);
	}
	return toeplitz_fold(sums);
}
