/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The headers of a packet as they lie in it, how they are read, and what one of them
 * can be hashed as.  What the other parts of the parser share; it reads no map.
 */
#pragma once

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/rss_maps.h"

#define PARSE_VLANS_MAX	     2	/* tags in the data; one more may be in the skb's metadata */
#define PARSE_EXTENSIONS_MAX 11 /* IPv6 extension headers */
#define PARSE_OPTIONS_MAX    8	/* of a destination options header; RFC 8504, 5.3 */

#define PARSE_TCP_LEN 20
#define PARSE_UDP_LEN 8

#define PARSE_IPV4_FRAGMENT   bpf_htons(0x3fff) /* more fragments, offset */
#define PARSE_FRAGMENT_OFFSET bpf_htons(0xfff8) /* of IPv6 */
#define PARSE_PAD1	      0x00		/* an option of one byte */
#define PARSE_HOME_ADDRESS    0xc9

/* Why a packet is not hashed; one that is has the number of a bit in RSS_HASH_ALL. */
enum parse_miss {
	PARSE_NO_TYPE = -1 - RSS_FALLBACK_NO_TYPE,
	PARSE_TRUNCATED = -1 - RSS_FALLBACK_TRUNCATED,
	PARSE_NOT_IP = -1 - RSS_FALLBACK_NOT_IP,
};

/*
 * The headers of a packet, from so far into the MAC header on that addresses and
 * ports are 8-byte aligned and in 16 bytes of their own: the kernel copies in such
 * pieces, and a load from two of them waits until both have reached the cache.
 */
union parse_frame {
	struct {
		__u8 mac[2];
		__be16 proto;
		struct parse_ipv4 {
			__u8 ihl;
			__u8 tos;
			__be16 length;
			__be16 id;
			__be16 fragment;
			__u8 ttl;
			__u8 protocol;
			__be16 checksum;
			__be32 src;
			__be32 dst;
		} ip;
		__be32 ports;
		__be32 udp;
	} v4;
	struct {
		__u8 mac[6];
		__be16 proto;
		struct parse_ipv6 {
			__u8 version[6];
			__u8 next;
			__u8 hops;
			__be64 addresses[4]; /* source and destination */
		} ip;
		__be32 ports;
		__be32 udp;
	} v6;
};

#define PARSE_V4_START (ETH_HLEN - 4)
#define PARSE_V6_START (ETH_HLEN - 8)

_Static_assert(__builtin_offsetof(union parse_frame, v4.ip.src) == 16, "aligned");
_Static_assert(__builtin_offsetof(union parse_frame, v6.ip.addresses) == 16, "aligned");
_Static_assert(__builtin_offsetof(union parse_frame, v4.ports) == 24, "one hash reads both");

/* Keeps clang from using what it knows of a value and the verifier does not. */
#define forget(value) asm volatile("" : "+r"(value))

/* 1 if two numbers below 2^31 are equal, else 0; clang would branch. */
static __always_inline __u32 parse_equal(__u32 a, __u32 b)
{
	__u32 difference = a ^ b;

	forget(difference);
	return (difference - 1) >> 31;
}

/* Reads at an offset from skb->data, in linear and paged data; zeros if it fails. */
static __always_inline bool parse_read(struct __sk_buff *skb, __u32 off, void *to, __u32 len)
{
	return !bpf_skb_load_bytes(skb, off, to, len);
}

static __always_inline bool parse_has(struct __sk_buff *skb, __u32 end)
{
	__u8 last;

	return parse_read(skb, end - 1, &last, 1);
}

/*
 * Each of the three families of types (IPv4, IPv6, IPv6 with extension headers) has a bit
 * for IP, TCP and UDP.  Those that a packet can be hashed as; what is above IP's counts first.
 */
static __always_inline __u32 parse_types(__u32 protocol)
{
	return 1 | parse_equal(protocol, IPPROTO_TCP) << 1 |
	       parse_equal(protocol, IPPROTO_UDP) << 2;
}

/* How much there has to be of the header of a packet of these types. */
static __always_inline __u32 parse_ports_len(__u32 types)
{
	_Static_assert(10 * 2 == PARSE_TCP_LEN && 2 * 4 == PARSE_UDP_LEN, "by its type's bit");

	return (types & 2) * 10 + (types & 4) * 2;
}
