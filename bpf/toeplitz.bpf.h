/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The low bits of a Toeplitz hash, as many as an indirection table can use.
 *
 * Bit b of the hash is the parity of the input ANDed with the key shifted left
 * by 31 - b.  A table has at most 128 entries, so seven bits are enough: seven
 * sums of `input & key shifted`, merged into one word.  Taken 58 bits of input at a time
 * one 64-bit word has the key for all seven: it needs but to be shifted.  No table
 * and no state, so a writer of the key cannot be raced, and no branch on key or packet.
 *
 * Everything must stay in registers: with CAP_BPF alone the kernel puts a barrier behind the first
 * store to each stack slot, which takes 5 ns.  Hence one sum after the other, each merged at once.
 */
#pragma once

#include <linux/types.h>
#include <bpf/bpf_endian.h>

#include "bpf/frame.bpf.h" /* forget() */
#include "bpf/rss_maps.h"

#define TOEPLITZ_WORDS (RSS_KEY_LEN / 8)

/* Number i of the key's 64-bit words, most significant bit first. */
static __always_inline __u64 toeplitz_key_word(const struct rss_key *key, int i)
{
	const __u32 *half = (const __u32 *)key;
	__u64 low;

	if (i)
		return bpf_be64_to_cpu(((const __u64 *)key)[i]);
	low = bpf_ntohl(half[1]);
	forget(low); /* or clang swaps 64 bits of it and masks them */
	return (__u64)half[0] << 32 | low;
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

/* The sum for one bit of the hash. */
static __always_inline __u64 toeplitz_sum(const __u64 *in, const __u64 *key, int n)
{
	__u64 sum = in[0] & key[0];

#pragma unroll
	for (int i = 1; i < n; i++)
		sum ^= in[i] & key[i];
	forget(sum);
	return sum;
}

/* The same for the bit below, for which the key has to be shifted. */
static __always_inline __u64 toeplitz_next(const __u64 *in, __u64 *key, int n)
{
#pragma unroll
	for (int i = 0; i < n; i++) {
		key[i] <<= 1;
		forget(key[i]);
	}
	return toeplitz_sum(in, key, n);
}

/*
 * All seven sums of n chunks of input, merged: in each byte of the result bit i is the parity of
 * eight bits of the sum for bit i of the hash.  From the highest bit on, for which the key need
 * not be shifted.
 */
static __always_inline __u64 toeplitz_sums(const __u64 *in, __u64 *key, int n)
{
	const __u64 m1 = 0x5555555555555555, m2 = 0x3333333333333333, m4 = 0x0f0f0f0f0f0f0f0f;
	__u64 high = toeplitz_sum(in, key, n), odd, low;

	high ^= high >> 1;
	odd = toeplitz_next(in, key, n);
	high = toeplitz_merge(toeplitz_merge(toeplitz_next(in, key, n), odd, 1, m1), high, 2, m2);
	forget(high);
	odd = toeplitz_next(in, key, n);
	low = toeplitz_merge(toeplitz_next(in, key, n), odd, 1, m1);
	forget(low);
	odd = toeplitz_next(in, key, n);
	low = toeplitz_merge(toeplitz_merge(toeplitz_next(in, key, n), odd, 1, m1), low, 2, m2);
	return toeplitz_merge(low, high, 4, m4);
}

/* Ports as they lie in the packet, as the first half of a word of input. */
static __always_inline __u64 toeplitz_ports(__be32 ports)
{
	__u32 half = bpf_ntohl(ports);
	__u64 word;

	forget(half); /* or clang masks what is 0 */
	word = (__u64)half << 32;
	forget(word);
	return word;
}

/* 64 bits, from bit `at` on, of two words that follow on each other. */
static __always_inline __u64 toeplitz_window(__u64 before, __u64 word, int at)
{
	__u64 window = before << at | word >> (64 - at);

	forget(window);
	return window;
}

/*
 * Where chunk number i begins: of the input in word i - 1, of the key in word i.  Each word ends 6
 * bits later than the chunk with its number.
 */
#define TOEPLITZ_IN_AT(i)  (64 - (i) * (64 - TOEPLITZ_CHUNK))
#define TOEPLITZ_KEY_AT(i) (TOEPLITZ_FIRST - (i) * (64 - TOEPLITZ_CHUNK))

/* The merged sums of what IPv6 has behind its first two words: second to fourth, and ports. */
static __always_inline __u64 toeplitz_more(const struct rss_key *key, __u64 second,
					   const __be64 *words, __u64 ports)
{
	__u64 w2 = bpf_be64_to_cpu(words[2]), w3 = bpf_be64_to_cpu(words[3]);
	__u64 k2 = toeplitz_key_word(key, 2), k3 = toeplitz_key_word(key, 3);
	__u64 k4 = toeplitz_key_word(key, 4);
	__u64 in[] = { toeplitz_window(second, w2, TOEPLITZ_IN_AT(2)) & TOEPLITZ_IN_MASK,
		       toeplitz_window(w2, w3, TOEPLITZ_IN_AT(3)) & TOEPLITZ_IN_MASK,
		       toeplitz_window(w3, ports, TOEPLITZ_IN_AT(4)) };
	__u64 keys[] = { toeplitz_window(k2, k3, TOEPLITZ_KEY_AT(2)),
			 toeplitz_window(k3, k4, TOEPLITZ_KEY_AT(3)), k4 << TOEPLITZ_KEY_AT(4) };

	return toeplitz_sums(in, keys, 3);
}

/*
 * The hash's low 7 bits, more bits undefined above.  first, second: the first words of input, which
 * is all that there is of IPv4: addresses and ports.  more: from toeplitz_more(), or 0.
 */
static __always_inline __u32 toeplitz(const struct rss_key *key, __u64 first, __u64 second,
				      __u64 more)
{
	__u64 k1 = toeplitz_key_word(key, 1);
	__u64 in[] = { first & TOEPLITZ_IN_MASK,
		       toeplitz_window(first, second, TOEPLITZ_IN_AT(1)) & TOEPLITZ_IN_MASK };
	__u64 keys[] = { toeplitz_window(toeplitz_key_word(key, 0), k1, TOEPLITZ_KEY_AT(0)),
			 toeplitz_window(k1, toeplitz_key_word(key, 2), TOEPLITZ_KEY_AT(1)) };
	__u64 sums = more ^ toeplitz_sums(in, keys, 2);

	sums ^= sums >> 32;
	sums ^= sums >> 16;
	return sums ^ sums >> 8;
}
