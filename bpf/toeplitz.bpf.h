/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The low bits of a Toeplitz hash, as many as an indirection table can use.
 *
 * Bit b of the hash is the parity of the input ANDed with the key shifted left
 * by 31 - b.  A table has at most 128 entries, so seven bits are enough: seven
 * sums of `input & window of the key`, folded together.  No table and no state,
 * so a writer of the key cannot be raced, and no branch on key or packet.
 *
 * Everything must stay in registers and at constant stack offsets: that is what
 * lets the program load with CAP_BPF alone.
 */
#pragma once

#include <linux/types.h>
#include <bpf/bpf_endian.h>

#include "rss_maps.h"

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

/* Bit i of the result's low 7 is the parity of sums(i). */
#define TOEPLITZ_FOLD(sum)                                                                         \
	({                                                                                         \
		const __u64 m1 = 0x5555555555555555, m2 = 0x3333333333333333,                      \
			    m4 = 0x0f0f0f0f0f0f0f0f;                                               \
		__u64 s01 = toeplitz_merge(sum(0), sum(1), 1, m1);                                 \
		__u64 s23 = toeplitz_merge(sum(2), sum(3), 1, m1);                                 \
		__u64 s03 = toeplitz_merge(s01, s23, 2, m2);                                       \
		__u64 s45 = toeplitz_merge(sum(4), sum(5), 1, m1);                                 \
		__u64 s6 = sum(6);                                                                 \
		__u64 s46 = toeplitz_merge(s45, s6 ^ s6 >> 1, 2, m2);                              \
		__u64 s = toeplitz_merge(s03, s46, 4, m4);                                         \
		s ^= s >> 32;                                                                      \
		s ^= s >> 16;                                                                      \
		(__u32)(s ^ s >> 8);                                                               \
	})

/* The 64 key bits that input word i meets for hash bit b. */
#define WINDOW(q, i, b) ((q)[i] << (31 - (b)) | (q)[(i) + 1] >> (33 + (b)))

/*
 * addresses: source and destination as they lie in the packet; ports likewise,
 * 0 for none.  Returns the hash's low 7 bits, more bits undefined above.
 */
static __always_inline __u32 toeplitz_ipv4(const struct rss_key *key, __be64 addresses,
					   __be32 ports)
{
	__u64 q0 = toeplitz_key_word(key, 0), q1 = toeplitz_key_word(key, 1);
	__u64 x0 = bpf_be64_to_cpu(addresses), x1 = bpf_ntohl(ports);

#define SUM(b) ((x0 & (q0 << (31 - (b)) | q1 >> (33 + (b)))) ^ (x1 & q1 >> (1 + (b))))
	return TOEPLITZ_FOLD(SUM);
#undef SUM
}

/* The same for the four words of an IPv6 packet's addresses, or any other input. */
static __always_inline __u32 toeplitz_ipv6(const struct rss_key *key, const __be64 *addresses,
					   __be32 ports)
{
	__u64 q[TOEPLITZ_WORDS], x[TOEPLITZ_WORDS];

#pragma unroll
	for (int i = 0; i < TOEPLITZ_WORDS; i++) {
		q[i] = toeplitz_key_word(key, i);
		x[i] = i < 4 ? bpf_be64_to_cpu(addresses[i]) : bpf_ntohl(ports);
	}
#define SUM(b)                                                                                     \
	((x[0] & WINDOW(q, 0, b)) ^ (x[1] & WINDOW(q, 1, b)) ^ (x[2] & WINDOW(q, 2, b)) ^          \
	 (x[3] & WINDOW(q, 3, b)) ^ (x[4] & q[4] >> (1 + (b))))
	return TOEPLITZ_FOLD(SUM);
#undef SUM
}
