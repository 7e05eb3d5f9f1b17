/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * From a tunnel's outer headers to the packet inside: where its network header is.  One level:
 * a tunnel inside a tunnel is hashed as any packet of its protocol.  A tunnel whose headers are
 * cut short or malformed is none, and the packet is hashed by its outer headers.
 *
 * For rss-tunnel alone; it reads no map.
 */
#pragma once

#include "bpf/network.bpf.h"

#define TUNNEL_PORT_GRE		4754 /* RFC 8086 */
#define TUNNEL_PORT_VXLAN	4789 /* RFC 7348 */
#define TUNNEL_PORT_VXLAN_GPE	4790
#define TUNNEL_PORT_GENEVE	6081 /* RFC 8926 */
#define TUNNEL_PORT_VXLAN_LINUX 8472 /* of Linux, unless told otherwise; flannel's and Cilium's */

#define TUNNEL_PROTO_NONE 0 /* what is inside is not IP */
#define TUNNEL_LEN	  8 /* of the headers over UDP, without their options; not of GRE's */

/* The first four bytes of a GRE header (RFC 2784, 2890), flags in host byte order. */
#define TUNNEL_GRE_CHECKSUM 0x8000
#define TUNNEL_GRE_KEY	    0x2000
#define TUNNEL_GRE_SEQUENCE 0x1000
#define TUNNEL_GRE_UNKNOWN  0x4c07 /* routing, recursion, other versions: not GRE as we know it */

/* The first byte of a VXLAN header, and of a VXLAN-GPE header. */
#define TUNNEL_VXLAN_VNI      0x08
#define TUNNEL_VXLAN_GPE_MASK 0x3d /* version, VNI, next protocol, OAM */
#define TUNNEL_VXLAN_GPE      0x0c

#define TUNNEL_GENEVE_VERSION 0xc0 /* of its first byte */
#define TUNNEL_GENEVE_OPTIONS 0x3f /* likewise: their length / 4 */
#define TUNNEL_GENEVE_CONTROL 0x80 /* of its second: nothing is inside */

/* A UDP header, and the first bytes of the tunnel's. */
struct tunnel_udp {
	__be16 src;
	__be16 dst;
	__be16 len;
	__be16 checksum;
	__u8 bytes[2];
	__be16 proto;
};

struct tunnel_gre {
	__be16 flags;
	__be16 proto;
};

/* The type of a tunnel over UDP to this port, 0 for none; no branch. */
static __always_inline __u32 tunnel_type(__be16 port)
{
	return parse_equal(port, bpf_htons(TUNNEL_PORT_GRE)) * RSS_TUNNEL_GRE_UDP |
	       parse_equal(port, bpf_htons(TUNNEL_PORT_VXLAN)) * RSS_TUNNEL_VXLAN |
	       parse_equal(port, bpf_htons(TUNNEL_PORT_VXLAN_LINUX)) * RSS_TUNNEL_VXLAN |
	       parse_equal(port, bpf_htons(TUNNEL_PORT_VXLAN_GPE)) * RSS_TUNNEL_VXLAN_GPE |
	       parse_equal(port, bpf_htons(TUNNEL_PORT_GENEVE)) * RSS_TUNNEL_GENEVE;
}

/* Into what the tunnel's header, which ends at p->off, says is inside; 0: cut short. */
static __always_inline __u64 tunnel_payload(struct __sk_buff *skb, struct parse_place *p)
{
	__be16 proto;

	if (p->proto == bpf_htons(ETH_P_IP) || p->proto == bpf_htons(ETH_P_IPV6))
		return 1;
	if (p->proto != bpf_htons(ETH_P_TEB))
		return parse_has(skb, p->off);
	p->off += ETH_HLEN;
	if (!parse_read(skb, p->off - sizeof(proto), &proto, sizeof(proto)))
		return 0;
	return parse_tags(skb, p, &proto);
}

/* The types of which a GRE packet is; NVGRE is GRE with a key around Ethernet (RFC 7637). */
static __always_inline __u64 tunnel_gre_types(__u64 flags, __be16 proto, __u64 outer)
{
	__u64 types = RSS_TUNNEL_GRE_2784;

	if (flags & (TUNNEL_GRE_KEY | TUNNEL_GRE_SEQUENCE))
		types = RSS_TUNNEL_GRE_2890;
	if (outer == bpf_htons(ETH_P_IPV6))
		types = RSS_TUNNEL_GRE_7676;
	flags &= TUNNEL_GRE_CHECKSUM | TUNNEL_GRE_KEY | TUNNEL_GRE_SEQUENCE;
	if (flags == TUNNEL_GRE_KEY && proto == bpf_htons(ETH_P_TEB))
		types |= RSS_TUNNEL_NVGRE;
	return types;
}

/* Over a GRE header at p->off; types: of the tunnel, 0 if GRE's own are to be found out. */
static __always_inline __u64 tunnel_gre(struct __sk_buff *skb, struct parse_place *p, __u64 types)
{
	struct tunnel_gre gre;
	__u64 flags, words;

	if (!parse_read(skb, p->off, &gre, sizeof(gre)))
		return 0;
	flags = bpf_ntohs(gre.flags);
	if (flags & TUNNEL_GRE_UNKNOWN)
		return 0;
	if (!types)
		types = tunnel_gre_types(flags, gre.proto, p->proto);
	words = 1 + (flags >> 15) + (flags >> 13 & 1) + (flags >> 12 & 1);
	p->off += words * 4;
	p->proto = gre.proto;
	return (types & p->types) != 0;
}

/* What VXLAN-GPE calls by a number of its own. */
static __always_inline __be16 tunnel_gpe_proto(__u8 next)
{
	if (next == 1)
		return bpf_htons(ETH_P_IP);
	if (next == 2)
		return bpf_htons(ETH_P_IPV6);
	return next == 3 ? bpf_htons(ETH_P_TEB) : TUNNEL_PROTO_NONE;
}

/* Over a UDP header at p->off and that of the tunnel; 0: there is none. */
static __always_inline __u64 tunnel_udp(struct __sk_buff *skb, struct parse_place *p)
{
	struct tunnel_udp udp;
	__u64 type, first, options = 0; /* of 64 bits, as in struct parse_walk */

	if (!parse_read(skb, p->off, &udp, sizeof(udp)))
		return 0;
	type = tunnel_type(udp.dst) & p->types;
	first = udp.bytes[0];
	p->proto = bpf_htons(ETH_P_TEB);
	if (type == RSS_TUNNEL_GRE_UDP) {
		p->off += PARSE_UDP_LEN;
		return tunnel_gre(skb, p, type);
	}
	if (type == RSS_TUNNEL_VXLAN) {
		if (!(first & TUNNEL_VXLAN_VNI))
			return 0;
	} else if (type == RSS_TUNNEL_VXLAN_GPE) {
		if ((first & TUNNEL_VXLAN_GPE_MASK) != TUNNEL_VXLAN_GPE)
			return 0;
		p->proto = tunnel_gpe_proto(bpf_ntohs(udp.proto) & 255);
	} else if (type == RSS_TUNNEL_GENEVE) {
		if ((first & TUNNEL_GENEVE_VERSION) | (udp.bytes[1] & TUNNEL_GENEVE_CONTROL))
			return 0;
		options = first & TUNNEL_GENEVE_OPTIONS;
		p->proto = udp.proto;
	} else {
		return 0;
	}
	p->off += PARSE_UDP_LEN + TUNNEL_LEN + options * 4;
	return 1;
}

/* Over the tunnel's header at p->off, behind network headers of p->proto. */
static __always_inline __u64 tunnel_header(struct __sk_buff *skb, struct parse_place *p,
					   __u32 protocol)
{
	if (protocol == IPPROTO_UDP)
		return tunnel_udp(skb, p);
	if (protocol == IPPROTO_GRE)
		return tunnel_gre(skb, p, 0);
	if (protocol == IPPROTO_IPIP)
		p->proto = bpf_htons(ETH_P_IP);
	else if (protocol == IPPROTO_IPV6)
		p->proto = bpf_htons(ETH_P_IPV6);
	else
		return 0;
	return (p->types & RSS_TUNNEL_IPIP) != 0;
}

/*
 * Moves p from the outer network header to the inner one; 0: there is no enabled tunnel.  Walk and
 * frame are the caller's, for there are but 512 bytes of stack for all, and are used up.
 */
__noinline __u64 tunnel_enter(struct __sk_buff *skb, struct parse_place *p, struct parse_walk *w,
			      union parse_frame *f)
{
	struct parse_upper upper;

	if (!p || !w || !f || parse_headers(skb, p->off, p->proto, f, w, &upper))
		return 0;
	p->off = upper.off;
	return tunnel_header(skb, p, upper.protocol) ? tunnel_payload(skb, p) : 0;
}

/*
 * As parse(), of the packet in the tunnel at *outer; PARSE_TRUNCATED if there is none in full,
 * and walk and frame are as good as new.
 */
static __always_inline int parse_inner(struct __sk_buff *skb, const struct parse_place *outer,
				       struct parse_walk *w, union parse_frame *f)
{
	struct parse_place p = *outer;
	int type = PARSE_TRUNCATED, entered = tunnel_enter(skb, &p, w, f);

	*w = (struct parse_walk){ 0 };
	parse_clear(f);
	if (!entered)
		return type;
	type = parse_network(skb, &p, w, f);
	*w = (struct parse_walk){ 0 };
	if (type == PARSE_TRUNCATED)
		parse_clear(f);
	return type;
}
