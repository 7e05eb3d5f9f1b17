/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The fast path: TCP or UDP, its header whole, over IPv4 without options or IPv6 without extension
 * headers, with no tag or one 802.1Q tag in the data.  One read of the packet.  It reads no map,
 * and leaves everything else to parse.bpf.h.
 */
#pragma once

#include "bpf/network.bpf.h"
#ifdef RSS_TUNNEL
#include "bpf/tunnel.bpf.h"
#endif

#ifdef RSS_TUNNEL
/* Whether a packet to this port may be a tunnel's, which is parse()'s to see into. */
static __always_inline bool maybe_tunnel(__u64 types, __u64 protocol, __be32 ports)
{
	return tunnel_type(*((__be16 *)&ports + 1)) & types & -(protocol >> 4);
}
#else
static __always_inline bool maybe_tunnel(__u64 types, __u64 protocol, __be32 ports)
{
	return false;
}
#endif

/* Of a TCP or UDP packet that does not need parse(). */
struct fast {
	__u32 own;  /* all ones if its own type is enabled, and so its ports are hashed; or 0 */
	__u32 ip;   /* 1 if the type of IP alone is; or 0 */
	__u32 type; /* the number of the type that it is hashed as */
	__be32 ports;
	__u64 first; /* word of input */
};

/* What an IPv4 packet's headers say, wherever they were read to. */
struct ipv4 {
	__u32 other;	/* 0: neither another protocol than IPv4, nor options, nor a fragment */
	__u64 protocol; /* of 64 bits, like every number that clang may spill: see struct parse_walk
			 */
};

/* Which layout of union parse_frame a packet lies in, if parse() is not needed. */
enum frame {
	FRAME_OTHER,
	FRAME_IPV4,
	FRAME_IPV6,
};

/* Where in an untagged frame UDP's header ends, and TCP's without options. */
#define FRAME_V4_END	 (ETH_HLEN + sizeof(struct parse_ipv4) + PARSE_UDP_LEN)
#define FRAME_V6_END	 (ETH_HLEN + sizeof(struct parse_ipv6) + PARSE_UDP_LEN)
#define FRAME_V4_TCP_END (ETH_HLEN + sizeof(struct parse_ipv4) + PARSE_TCP_LEN)
#define FRAME_V6_TCP_END (ETH_HLEN + sizeof(struct parse_ipv6) + PARSE_TCP_LEN)
#define FRAME_TAG	 4  /* bytes of a tag */
#define FRAME_TAG_END	 64 /* how far a frame with a tag in its data is read */

_Static_assert(FRAME_TAG + FRAME_V4_TCP_END <= FRAME_TAG_END, "all of IPv4 and TCP is read");
_Static_assert(FRAME_TAG_END <= PARSE_V6_START + FRAME_TAG + sizeof(union parse_frame), "fits");

/* Reads what lies from `start` to `end` in the frame. */
static __always_inline bool frame_load(struct __sk_buff *skb, union parse_frame *f, __u32 start,
				       __u32 end)
{
	return !bpf_skb_load_bytes_relative(skb, start, f, end - start, BPF_HDR_START_MAC);
}

/*
 * Whether it is TCP or UDP, and its header whole: of UDP's 8 bytes were read.  By test run, whose
 * device is the loopback one, skb->len does not count the MAC header.
 */
static __always_inline bool has_ports(struct __sk_buff *skb, __u32 protocol, __u32 tcp_end)
{
	if (protocol == IPPROTO_UDP)
		return true;
	return protocol == IPPROTO_TCP &&
	       (skb->len >= tcp_end || (skb->len >= tcp_end - ETH_HLEN && skb->ifindex == 1));
}

/*
 * types: enabled ones, the family's three lowest; first: the number of the lowest.  The protocol
 * may yet turn out to be neither TCP nor UDP: so the verifier follows this once for both.  No
 * branch.
 */
static __always_inline void fast_init(struct fast *ret, __u32 types, __u32 first, __u32 protocol)
{
	_Static_assert(!(IPPROTO_TCP >> 4) && IPPROTO_UDP >> 4 == 1, "tells TCP from UDP");
	_Static_assert(RSS_HASH_IPV4 == 1 && RSS_HASH_TCPV4 == 2 && RSS_HASH_UDPV4 == 4 &&
			       RSS_HASH_TCPV6 == 8 * RSS_HASH_TCPV4 &&
			       RSS_HASH_UDPV6 == 8 * RSS_HASH_UDPV4,
		       "IP, TCP, UDP, by family");

	protocol >>= 4;
	ret->own = -(types >> protocol >> 1 & 1);
	ret->ip = types & 1;
	ret->type = first + (ret->own & (1 + protocol));
	forget(ret->own);
	forget(ret->ip);
}

/* The verifier is to find the same here of a frame with a tag and of one without. */
static __always_inline void ipv4_read(struct ipv4 *ret, __be16 proto, const struct parse_ipv4 *ip,
				      __be32 ports, struct fast *fast)
{
	ret->other = (proto ^ bpf_htons(ETH_P_IP)) | ((ip->ihl & 15) ^ 5) |
		     (ip->fragment & PARSE_IPV4_FRAGMENT);
	ret->protocol = ip->protocol;
	fast->ports = ports;
	forget(ret->other);
	forget(ret->protocol);
	forget(fast->ports);
	forget(fast->first);
}

static __always_inline bool frame_ipv4(struct __sk_buff *skb, const struct ipv4 *ip, __u32 types,
				       struct fast *fast)
{
	fast_init(fast, types, 0, ip->protocol);
	return !ip->other && has_ports(skb, ip->protocol, FRAME_V4_TCP_END) &&
	       !maybe_tunnel(types, ip->protocol, fast->ports);
}

static __always_inline bool frame_ipv6(struct __sk_buff *skb, const union parse_frame *f,
				       __u32 types, struct fast *fast)
{
	fast_init(fast, types / RSS_HASH_IPV6, 3, f->v6.ip.next);
	return has_ports(skb, f->v6.ip.next, FRAME_V6_TCP_END) &&
	       !maybe_tunnel(types, f->v6.ip.next, f->v6.ports);
}

/* One read for both families: IPv6 then is in its place, and IPv4 begins where IPv6 would. */
static __always_inline enum frame frame_load_tagged(struct __sk_buff *skb, union parse_frame *f,
						    __u32 tag, struct ipv4 *ip, struct fast *fast)
{
	const struct parse_ipv4 *v4 = (const void *)&f->v6.ip;

	if (!frame_load(skb, f, PARSE_V6_START + FRAME_TAG, FRAME_TAG_END) ||
	    *(__be16 *)&f->v6.mac[2] != tag)
		return FRAME_OTHER;
	if (f->v6.proto == bpf_htons(ETH_P_IPV6)) {
		__u32 len = skb->len;

		*((__u16 *)&f->v6.udp + 1) = len; /* with CAP_BPF alone all has to be known */
		return len >= FRAME_TAG + FRAME_V6_TCP_END ? FRAME_IPV6 : FRAME_OTHER;
	}
	fast->first = toeplitz_ports(v4->src) | bpf_ntohl(v4->dst);
	ipv4_read(ip, f->v6.proto, v4, *(__be32 *)(v4 + 1), fast);
	return FRAME_IPV4;
}

/* skb->protocol is the sender's word; the frame decides. */
static __always_inline enum frame frame_load_any(struct __sk_buff *skb, union parse_frame *f,
						 struct ipv4 *ip, struct fast *fast)
{
	__u32 proto = skb->protocol;

	if (__builtin_expect(proto == bpf_htons(ETH_P_IP), 1)) {
		if (!frame_load(skb, f, PARSE_V4_START, FRAME_V4_END))
			return FRAME_OTHER;
		fast->first = bpf_be64_to_cpu(*(__be64 *)&f->v4.ip.src);
		ipv4_read(ip, f->v4.proto, &f->v4.ip, f->v4.ports, fast);
		return FRAME_IPV4;
	}
	if (proto == bpf_htons(ETH_P_IPV6))
		return frame_load(skb, f, PARSE_V6_START, FRAME_V6_END) &&
				       f->v6.proto == bpf_htons(ETH_P_IPV6)
			       ? FRAME_IPV6
			       : FRAME_OTHER;
	if (proto == bpf_htons(ETH_P_8021Q))
		return frame_load_tagged(skb, f, proto, ip, fast);
	return FRAME_OTHER;
}

static __always_inline enum frame frame_read(struct __sk_buff *skb, union parse_frame *f,
					     __u32 types, struct fast *fast)
{
	struct ipv4 ip;
	enum frame frame = frame_load_any(skb, f, &ip, fast);

	if (frame == FRAME_IPV4)
		return frame_ipv4(skb, &ip, types, fast) ? FRAME_IPV4 : FRAME_OTHER;
	if (frame == FRAME_IPV6)
		return frame_ipv6(skb, f, types, fast) ? FRAME_IPV6 : FRAME_OTHER;
	return FRAME_OTHER;
}
