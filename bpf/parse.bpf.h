/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * From a packet to the bytes that are hashed: the rules of the virtio
 * specification ("hash calculation for incoming packets") for any packet.
 *
 * Called for what the fast paths of rss.bpf.c leave over.  It reads no map, and
 * every loop has a constant bound.
 *
 * Written for the verifier, which follows both ways of each branch until it meets an
 * equal state, and does so for each set that the broker makes: the step of a loop is a
 * global function, verified once instead of for each step, and a choice between numbers
 * is arithmetic.
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

#include "bpf/walk.bpf.h"

/* What follows the network headers; of 64 bits, which clang may spill, as in struct parse_walk. */
struct parse_upper {
	__u64 off;
	__u64 protocol; /* none in a fragment */
	__u64 ipv6;	/* 1, or 0 */
	__u64 types;	/* enabled ones */
};

static __always_inline bool parse_ipv4(struct __sk_buff *skb, __u64 off, union parse_frame *f,
				       struct parse_upper *ret)
{
	const struct parse_ipv4 *ip = &f->v4.ip;
	__u32 whole;

	if (!parse_read(skb, off, &f->v4.ip, sizeof(*ip)))
		return false;
	whole = parse_equal(ip->fragment & PARSE_IPV4_FRAGMENT, 0);
	forget(whole);
	ret->off = off + (ip->ihl & 15) * 4;
	ret->protocol = ip->protocol * whole;
	return true;
}

static __always_inline bool parse_ipv6(struct __sk_buff *skb, __u64 off, union parse_frame *f,
				       struct parse_walk *w, struct parse_upper *ret)
{
	if (!parse_read(skb, off, &f->v6.ip, sizeof(f->v6.ip)))
		return false;
	w->off = off + sizeof(f->v6.ip);
	w->next = f->v6.ip.next;
	if (parse_steps(skb, w)) {
		parse_steps(skb, w);
#pragma unroll
		for (int i = 2 * PARSE_STEPS; i < PARSE_EXTENSIONS_MAX; i++)
			parse_step(skb, w);
	}
	ret->off = w->off;
	ret->protocol = w->next & (w->fragment - 1);
	return true;
}

/* Over the network headers at off; 0, or a miss. */
static __always_inline int parse_headers(struct __sk_buff *skb, __u64 off, __u32 proto,
					 union parse_frame *f, struct parse_walk *w,
					 struct parse_upper *ret)
{
	bool whole;

	ret->ipv6 = parse_equal(proto, bpf_htons(ETH_P_IPV6));
	forget(ret->ipv6);
	/* First, so that the verifier finds IPv4's a case of what it has seen. */
	if (proto == bpf_htons(ETH_P_IPV6))
		whole = parse_ipv6(skb, off, f, w, ret);
	else if (proto == bpf_htons(ETH_P_IP))
		whole = parse_ipv4(skb, off, f, ret);
	else
		return PARSE_NOT_IP;
	return whole ? 0 : PARSE_TRUNCATED;
}

/* Reads the ports to where they are hashed, which is not the same place; no branch. */
static __always_inline void parse_ports(struct __sk_buff *skb, const struct parse_upper *u,
					union parse_frame *f)
{
	__be32 ports;

	parse_read(skb, u->off, &ports, sizeof(ports));
	f->v6.ports = ports * u->ipv6;
	f->v4.ports |= ports * (1 - u->ipv6); /* where IPv6 has an address */
}

/* The number of the type to hash a packet as, or a miss; its ports and addresses. */
static __always_inline int parse_upper(struct __sk_buff *skb, const struct parse_upper *u,
				       struct parse_walk *w, union parse_frame *f)
{
	__u64 family = parse_types(u->protocol), first = 3 * u->ipv6;
	__u64 can = u->types / RSS_HASH_IP_EX & w->family & family;
	__u32 end = u->off + parse_ports_len(family);

	/* One header follows on the other: where the last one is whole, all are. */
	if (!parse_has(skb, end + parse_equal(end, 0)))
		return PARSE_TRUNCATED;
	if (can) {
		first = 6;
		parse_addresses(skb, w, f);
	} else {
		can = u->types >> first & family;
		if (!can)
			return PARSE_NO_TYPE;
	}
	if (can > 1)
		parse_ports(skb, u, f);
	return first + (can >> 1);
}

/*
 * The offset of the network header from skb->data.  On a tap skb->data is the MAC
 * header.  BPF_PROG_TEST_RUN, whose device is the loopback one, gives a socket
 * filter an skb->data behind it.
 */
static __always_inline __u32 parse_start(struct __sk_buff *skb)
{
	__u32 on_tap = 1 - parse_equal(skb->ifindex, 1);

	forget(on_tap);
	return ETH_HLEN * on_tap;
}

/* Where a network header is, and what it is; of 64 bits, as in struct parse_walk. */
struct parse_place {
	__u64 off; /* from skb->data */
	__u64 proto;
	__u64 types; /* enabled ones */
};

/* 1 for the ethertype of a tag, else 0. */
static __always_inline __u32 parse_is_tag(__be16 proto)
{
	return parse_equal(proto, bpf_htons(ETH_P_8021Q)) |
	       parse_equal(proto, bpf_htons(ETH_P_8021AD));
}

#ifdef RSS_TUNNEL
#define PARSE_TWICE __noinline /* and global: verified once */
#else
#define PARSE_TWICE static __always_inline
#endif

/*
 * Over the tags behind an Ethernet header, which ends at p->off in *proto; 0: cut short.
 * A pointer: with CAP_BPF alone a helper must not write to a copy on the stack.
 */
PARSE_TWICE int parse_tags(struct __sk_buff *skb, struct parse_place *p, __be16 *proto)
{
	if (!p || !proto)
		return 0;
#pragma unroll
	for (int i = 0; i < PARSE_VLANS_MAX; i++) {
		if (!parse_is_tag(*proto))
			break;
		if (!parse_read(skb, p->off + 2, proto, sizeof(*proto)))
			return 0;
		p->off += 4;
	}
	p->proto = *proto;
	return 1;
}

/* Zeros where IPv4's header does not reach. */
static __always_inline void parse_clear(union parse_frame *f)
{
	f->v6.ip.addresses[1] = 0; /* IPv4's ports */
	f->v6.ip.addresses[2] = 0;
	f->v6.ip.addresses[3] = 0;
	f->v6.ports = 0;
}

/* As parse(), of the packet whose network header is at p; *f is cleared, *w all zeros. */
PARSE_TWICE int parse_network(struct __sk_buff *skb, struct parse_place *p, struct parse_walk *w,
			      union parse_frame *f)
{
	struct parse_upper upper;
	int miss;

	if (!p || !w || !f) /* never, but the verifier has to be told */
		return PARSE_NOT_IP;
	upper.types = p->types;
	miss = parse_headers(skb, p->off, p->proto, f, w, &upper);
	return miss ? miss : parse_upper(skb, &upper, w, f);
}

#ifdef RSS_TUNNEL
#include "bpf/tunnel.bpf.h"
#endif

/*
 * The number of the type to hash any packet as, or a miss.  What is hashed is then in *f, where
 * IPv6 has its addresses and ports; IPv4's fit in the first two words, and zeros follow.
 */
__noinline int parse(struct __sk_buff *skb, __u32 types, union parse_frame *f)
{
	struct parse_place p = { .off = parse_start(skb), .types = types };
	struct parse_walk w = { 0 };
	__be16 proto;

	if (!f) /* never, but the verifier has to be told */
		return PARSE_NOT_IP;
	parse_clear(f);
	if (bpf_skb_load_bytes_relative(skb, ETH_HLEN - 2, &proto, sizeof(proto),
					BPF_HDR_START_MAC))
		return PARSE_TRUNCATED;
	if (!parse_tags(skb, &p, &proto))
		return PARSE_TRUNCATED;
#ifdef RSS_TUNNEL
	if (types & RSS_TUNNEL_ALL) {
		int type = parse_inner(skb, &p, &w, f);

		if (type != PARSE_TRUNCATED)
			return type;
	}
#endif
	return parse_network(skb, &p, &w, f);
}
