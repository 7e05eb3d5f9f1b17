/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * From a packet to the bytes that are hashed: the rules of the virtio
 * specification ("hash calculation for incoming packets") for any packet.
 *
 * Called for what the fast paths of rss.bpf.c leave over.  It reads no map, and
 * every loop has a constant bound.
 */
#pragma once

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "rss_maps.h"

#define PARSE_VLANS_MAX	     2	/* tags in the data; one more may be in the skb's metadata */
#define PARSE_EXTENSIONS_MAX 11 /* IPv6 extension headers */
#define PARSE_OPTIONS_MAX    8	/* of a destination options header; RFC 8504, 5.3 */

#define PARSE_TCP_LEN 20
#define PARSE_UDP_LEN 8

#define PARSE_IPV4_FRAGMENT   bpf_htons(0x3fff) /* more fragments, offset */
#define PARSE_FRAGMENT_OFFSET bpf_htons(0xfff8) /* of IPv6 */
#define PARSE_PAD1	      0x00		/* an option of one byte */
#define PARSE_HOME_ADDRESS    0xc9

/* Why a packet is not hashed; a packet that is has an RSS_HASH_ type, above 0. */
enum parse_miss {
	PARSE_NO_TYPE = -1 - RSS_FALLBACK_NO_TYPE,
	PARSE_TRUNCATED = -1 - RSS_FALLBACK_TRUNCATED,
	PARSE_NOT_IP = -1 - RSS_FALLBACK_NOT_IP,
};

/*
 * The input of the hash: an IPv6 packet's addresses and ports; an IPv4 one's fit in
 * the first two words.  All of whole words, to be one state to the verifier.
 */
struct parse_input {
	__be64 addresses[4];
	__u64 ports; /* a __be32 */
	__u16 unused;
	volatile __s16 type; /* an RSS_HASH_ type or an enum parse_miss; see parse_walk */
};

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
};

struct parse_ipv6 {
	__u8 version[6];
	__u8 next;
	__u8 hops;
	__be64 addresses[4]; /* source and destination */
};

/* The first bytes of every extension header. */
union parse_extension {
	struct {
		__u8 next;
		__u8 length;
		__be16 fragment; /* of a fragment header: its offset, and flags */
	};
	__be32 word;
};

#define PARSE_ROUTING_2	     bpf_htonl(0x00020201) /* length 2, type 2, one segment left */
#define PARSE_ROUTING_2_MASK bpf_htonl(0x00ffffff)

/*
 * A walk over the extension headers: where it is and what it found, as offsets, 0
 * for none.
 *
 * The verifier would follow each value that it knows on a way of its own.  What
 * is stored in the midst of a stack slot it forgets, and so verifies a step of
 * the walk once: hence the sizes, the order and `volatile`.
 */
struct parse_walk {
	__u16 slot1;
	volatile __u16 routing; /* a type 2 routing header, to be obeyed */
	volatile __u16 last;	/* destination options header with room for a home address */
	volatile __u16 earlier; /* the one before it */
	__u16 slot2;
	volatile __u16 off; /* of what follows the headers so far */
	volatile __u8 next; /* and its protocol */
	volatile __u8 fragment;
	volatile __u8 protocol; /* the upper layer's; none in a fragment */
} __attribute__((aligned(8)));

/* A walk over the options of a header. */
struct parse_options {
	__u16 slot;
	volatile __u16 off;
	volatile __u16 end;
} __attribute__((aligned(8)));

/* Keeps clang from using what it knows of a value and the verifier does not. */
#define forget(value) asm volatile("" : "+r"(value))

/* Makes clang lay a struct out as it is declared. */
#define parse_pin(struct_ptr) asm volatile("" : : "r"(struct_ptr) : "memory")

/* A zero that the verifier takes for any number: a protocol is of 16 bits. */
static __always_inline __u32 parse_zero(struct __sk_buff *skb)
{
	forget(skb); /* another zero for each call */
	return skb->protocol >> 16;
}

/* Reads at an offset from skb->data, in linear and paged data. */
static __always_inline bool parse_read(struct __sk_buff *skb, __u32 off, void *to, __u32 len)
{
	return !bpf_skb_load_bytes(skb, off, to, len);
}

static __always_inline bool parse_has(struct __sk_buff *skb, __u32 end)
{
	__u8 last;

	return parse_read(skb, end - 1, &last, 1);
}

/* Reads the ports of a whole TCP or UDP header; false if it is cut short. */
static __always_inline bool parse_ports(struct __sk_buff *skb, __u32 off, __u8 protocol,
					__be32 *ret_ports)
{
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return true;
	return parse_has(skb, off + (protocol == IPPROTO_TCP ? PARSE_TCP_LEN : PARSE_UDP_LEN)) &&
	       parse_read(skb, off, ret_ports, sizeof(*ret_ports));
}

/* The type to hash a packet as; tcp, udp, ip: the types that would do. */
static __always_inline int parse_type(__u32 types, __u8 protocol, __u32 tcp, __u32 udp, __u32 ip)
{
	__u32 ports = protocol == IPPROTO_TCP ? tcp : protocol == IPPROTO_UDP ? udp : 0;

	if (types & ports)
		return ports;
	return types & ip ? ip : PARSE_NO_TYPE;
}

static __always_inline int parse_ipv4(struct __sk_buff *skb, __u32 off, __u32 types,
				      struct parse_input *in)
{
	struct parse_ipv4 ip;
	__be32 ports = 0;
	__u8 protocol;
	int type;

	if (!parse_read(skb, off, &ip, sizeof(ip)))
		return PARSE_TRUNCATED;
	protocol = ip.fragment & PARSE_IPV4_FRAGMENT ? 0 : ip.protocol;
	off += (ip.ihl & 15) * 4;
	if ((ip.ihl & 15) > 5 && !parse_has(skb, off))
		return PARSE_TRUNCATED;
	if (!parse_ports(skb, off, protocol, &ports))
		return PARSE_TRUNCATED;

	type = parse_type(types, protocol, RSS_HASH_TCPV4, RSS_HASH_UDPV4, RSS_HASH_IPV4);
	if (type == RSS_HASH_IPV4)
		ports = 0;
	__builtin_memcpy(&in->addresses[0], &ip.src, 8);
	in->addresses[1] = bpf_cpu_to_be64((__u64)bpf_ntohl(ports) << 32);
	in->addresses[2] = 0;
	in->addresses[3] = 0;
	in->ports = 0;
	return type;
}

static __always_inline void walk_begin(struct parse_walk *w, struct __sk_buff *skb, __u32 off,
				       __u8 next)
{
	__u32 zero = parse_zero(skb);

	parse_pin(w);
	w->routing = zero;
	w->last = zero;
	w->earlier = zero;
	w->fragment = zero;
	w->off = off;
	w->next = next;
}

#define PARSE_KIND(next) (1ull << (next))
#define PARSE_KINDS                                                                                \
	(PARSE_KIND(IPPROTO_HOPOPTS) | PARSE_KIND(IPPROTO_ROUTING) |                               \
	 PARSE_KIND(IPPROTO_FRAGMENT) | PARSE_KIND(IPPROTO_DSTOPTS) | PARSE_KIND(IPPROTO_AH))

static __always_inline bool is_extension(__u32 next)
{
	__u64 kinds = PARSE_KINDS;

	forget(kinds);
	return next < 64 && kinds >> next & 1;
}

/* Notes what the extension header of this kind at off is; returns its length. */
static __always_inline __u32 walk_header(struct parse_walk *w, __u32 kind, __u32 off,
					 const union parse_extension *ext)
{
	w->next = ext->next;
	if (kind == IPPROTO_DSTOPTS && ext->length >= 2) {
		w->earlier = w->last;
		w->last = off;
	}
	if (kind == IPPROTO_ROUTING && (ext->word & PARSE_ROUTING_2_MASK) == PARSE_ROUTING_2)
		w->routing = off;
	if (kind == IPPROTO_AH)
		return (ext->length + 2) * 4;
	if (kind == IPPROTO_FRAGMENT) {
		w->fragment = 1;
		/* What follows in any but the first fragment is no header. */
		if (ext->fragment & PARSE_FRAGMENT_OFFSET)
			w->next = IPPROTO_NONE;
		return 8;
	}
	return (ext->length + 1) * 8;
}

/* Walks the extension headers; false if one is cut short. */
static __always_inline bool parse_extensions(struct __sk_buff *skb, struct parse_walk *w)
{
	union parse_extension ext;

#pragma unroll
	for (int i = 0; i < PARSE_EXTENSIONS_MAX; i++) {
		__u32 kind = w->next, off = w->off;

		if (!is_extension(kind))
			break;
		parse_read(skb, off, &ext, sizeof(ext)); /* zeros if it fails */
		w->off = off + walk_header(w, kind, off, &ext);
	}
	w->protocol = w->fragment ? IPPROTO_NONE : w->next;
	/* One header follows on the other: where the last one is whole, all are. */
	return parse_has(skb, w->off);
}

/* Reads an option, and its address if it is the Home Address; false: no more. */
static __always_inline bool parse_option(struct __sk_buff *skb, struct parse_options *o,
					 struct parse_input *in)
{
	struct {
		__u8 type;
		__u8 length;
	} option;
	int not_pad1;

	if (o->off >= o->end)
		return false;
	parse_read(skb, o->off, &option, sizeof(option)); /* zeros, Pad1, if it fails */
	if (option.type == PARSE_HOME_ADDRESS) {
		if (o->off + sizeof(option) + 16 <= o->end)
			parse_read(skb, o->off + sizeof(option), &in->addresses[0], 16);
		return false; /* the first one counts */
	}
	not_pad1 = -((option.type + 255) >> 8); /* all ones, or zero; no branch */
	o->off += 1 + (not_pad1 & (1 + option.length));
	return true;
}

/* Reads the Home Address option, if the destination options header at off has one. */
static __always_inline void parse_home(struct __sk_buff *skb, __u32 off, struct parse_input *in)
{
	struct parse_options o;
	bool more = off;
	__u8 length;

	if (!off || !parse_read(skb, off + 1, &length, sizeof(length)))
		return;
	parse_pin(&o);
	o.off = off + 2;
	o.end = off + (length + 1) * 8;
#pragma unroll
	for (int i = 0; i < PARSE_OPTIONS_MAX; i++)
		more = more && parse_option(skb, &o, in);
}

/* Puts in place of the addresses what the extension headers say. */
static __always_inline void parse_addresses(struct __sk_buff *skb, const struct parse_walk *w,
					    struct parse_input *in)
{
	parse_home(skb, w->earlier, in);
	parse_home(skb, w->last, in);
	if (w->routing)
		parse_read(skb, w->routing + 8, &in->addresses[2], 16);
}

static __always_inline int parse_ipv6(struct __sk_buff *skb, __u32 off, __u32 types,
				      struct parse_input *in)
{
	struct parse_ipv6 ip;
	struct parse_walk w;
	__be32 ports = 0;
	int type = PARSE_NO_TYPE;

	if (!parse_read(skb, off, &ip, sizeof(ip)))
		return PARSE_TRUNCATED;
	walk_begin(&w, skb, off + sizeof(ip), ip.next);
	if (!parse_extensions(skb, &w))
		return PARSE_TRUNCATED;
	__builtin_memcpy(in->addresses, ip.addresses, sizeof(ip.addresses));
	parse_addresses(skb, &w, in);
	if (!parse_ports(skb, w.off, w.protocol, &ports))
		return PARSE_TRUNCATED;

	if (is_extension(ip.next))
		type = parse_type(types, w.protocol, RSS_HASH_TCP_EX, RSS_HASH_UDP_EX,
				  RSS_HASH_IP_EX);
	if (type < 0) {
		type = parse_type(types, w.protocol, RSS_HASH_TCPV6, RSS_HASH_UDPV6, RSS_HASH_IPV6);
		__builtin_memcpy(in->addresses, ip.addresses, sizeof(ip.addresses));
	}
	in->ports = type == RSS_HASH_IPV6 || type == RSS_HASH_IP_EX ? 0 : ports;
	return type;
}

/*
 * The offset of the network header from skb->data.  On a tap skb->data is the MAC
 * header.  BPF_PROG_TEST_RUN, whose device is the loopback one, gives a socket
 * filter an skb->data behind it.
 */
static __always_inline __u32 parse_start(struct __sk_buff *skb)
{
	return skb->ifindex == 1 ? 0 : ETH_HLEN;
}

/* The type to hash any packet as, and in *in the bytes; or a miss. */
static __always_inline int parse_packet(struct __sk_buff *skb, __u32 types, struct parse_input *in)
{
	__u32 off = parse_start(skb);
	__be16 proto;

	if (bpf_skb_load_bytes_relative(skb, ETH_HLEN - 2, &proto, sizeof(proto),
					BPF_HDR_START_MAC))
		return PARSE_TRUNCATED;
	for (int i = 0; i < PARSE_VLANS_MAX; i++) {
		if (proto != bpf_htons(ETH_P_8021Q) && proto != bpf_htons(ETH_P_8021AD))
			break;
		if (!parse_read(skb, off + 2, &proto, sizeof(proto)))
			return PARSE_TRUNCATED;
		off += 4;
	}
	if (proto == bpf_htons(ETH_P_IP))
		return parse_ipv4(skb, off, types, in);
	if (proto == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(skb, off, types, in);
	return PARSE_NOT_IP;
}

/*
 * A function of its own costs 25 KiB a set: the kernel keeps its code twice.  But
 * what the verifier knows of the type ends there, and the counters need that.
 */
#ifdef RSS_STATS
#define PARSE_INLINE __noinline
#else
#define PARSE_INLINE __always_inline
#endif

/* Whether a packet is hashed, and in *in the bytes and the type. */
static PARSE_INLINE bool parse(struct __sk_buff *skb, __u32 types, struct parse_input *in)
{
	int type;

	/* A processor may speculate past a miss: then too there has to be something. */
	__builtin_memset(in, 0, sizeof(*in));
	type = parse_packet(skb, types, in);
	in->type = type;
	return type > 0;
}
