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

#include "bpf/network.bpf.h"
#ifdef RSS_TUNNEL
#include "bpf/tunnel.bpf.h"
#endif

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

/*
 * The number of the type to hash any packet as, or a miss.  What is hashed is then in *f, all zeros
 * before, where IPv6 has its addresses and ports; IPv4's fit in the first two words, and zeros
 * follow.
 */
__noinline int parse(struct __sk_buff *skb, __u32 types, union parse_frame *f)
{
	struct parse_place p = { .off = parse_start(skb), .types = types };
	struct parse_walk w = { 0 };
	__be16 proto;

	if (!f) /* never, but the verifier has to be told */
		return PARSE_NOT_IP;
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
