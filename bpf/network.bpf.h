/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * From a network header to the bytes that are hashed, of the outer packet or of one in a
 * tunnel: the rules of the virtio specification ("hash calculation for incoming packets").
 *
 * Written for the verifier, as parse.bpf.h says; it reads no map.
 */
#pragma once

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
	w->routing = off + sizeof(f->v6.ip) - 16 - 8;
	if (parse_steps(skb, w)) {
#pragma unroll
		for (int i = PARSE_STEPS; i < PARSE_EXTENSIONS_MAX; i++)
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
