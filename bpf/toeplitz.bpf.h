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

/*
 * addresses: source and destination as they lie in the packet; ports likewise,
 * 0 for none.  Returns the hash's low 7 bits, more bits undefined above.
 */
static __always_inline __u32 toeplitz_ipv4(const struct rss_key *key, __be64 addresses,
					   __be32 ports)
{
	__u64 q0 = toeplitz_key_word(key, 0), q1 = toeplitz_key_word(key, 1);
	__u64 x0 = bpf_be64_to_cpu(addresses), x1 = (__u64)bpf_ntohl(ports) << 32;
	__u64 sums[TOEPLITZ_BITS] = { 0 };

	toeplitz_add(sums, x0 & TOEPLITZ_IN_MASK, TOEPLITZ_WINDOW(q0, q1, TOEPLITZ_FIRST));
	toeplitz_add(sums, TOEPLITZ_WINDOW(x0, x1, TOEPLITZ_CHUNK),
		     q1 << (TOEPLITZ_FIRST + TOEPLITZ_CHUNK - 64));
	return toeplitz_fold(sums);
}

/* The same for the four words of an IPv6 packet's addresses, or any other input. */
static __always_inline __u32 toeplitz_ipv6(const struct rss_key *key, const __be64 *addresses,
					   __be32 ports)
{
	__u64 in = 0, q = toeplitz_key_word(key, 0);
	__u64 sums[TOEPLITZ_BITS] = { 0 };

	/* Each word ends 6 bits of input, and of key, later than the chunk that it begins in. */
#pragma unroll
	for (int i = 0; i < 5; i++) {
		const int late = i * (64 - TOEPLITZ_CHUNK), at = TOEPLITZ_FIRST - late;
		__u64 next_in = i < 4 ? bpf_be64_to_cpu(addresses[i])
				      : (__u64)bpf_ntohl(ports) << 32;
		__u64 next_q = i < 4 ? toeplitz_key_word(key, i + 1) : 0;

		toeplitz_add(sums,
			     (i ? TOEPLITZ_WINDOW(in, next_in, 64 - late) : next_in) &
				     TOEPLITZ_IN_MASK,
			     TOEPLITZ_WINDOW(q, next_q, at));
		in = next_in;
		q = next_q;
	}
	return toeplitz_fold(sums);
}
