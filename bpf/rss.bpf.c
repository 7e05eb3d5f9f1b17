// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The steering program: which receive queue of a tap a packet goes to.
 *
 * Maps, their names, order, sizes and flags are QEMU's (rss_maps.h), and there
 * must be no other map nor data section: loaders pass every map on.  The maps
 * may be rewritten at any moment, also with nonsense, so each value is read
 * once and judged before use.  All functions are static and nothing is newer
 * than Linux 5.15.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "rss_maps.h"
#include "toeplitz.bpf.h"
#include "parse.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct rss_config));
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
} tap_rss_map_configurations SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct rss_key));
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
} tap_rss_map_toeplitz_key SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u16));
	__uint(max_entries, RSS_TABLE_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
} tap_rss_map_indirection_table SEC(".maps");

/*
 * The frames that nearly all packets are, read by one helper call, each laid
 * out so that the addresses are 8-byte aligned.
 */
union frame {
	struct {
		__u8 pad[6], macs[12];
		__be16 proto;
		struct parse_ipv4 ip;
		__be32 ports;
		__be32 tcp[4];
	} v4;
	struct {
		__u8 pad[2], macs[12];
		__be16 proto;
		__u8 version[6];
		__u8 next;
		__u8 hops;
		__be64 addresses[4];
		__be32 ports;
		__be32 tcp[4];
	} v6;
	struct {
		__u8 pad[24];
		struct parse_input in;
	} any;
};

#define FRAME_TCP4_LEN (ETH_HLEN + 20 + PARSE_TCP_LEN)
#define FRAME_UDP4_LEN (ETH_HLEN + 20 + PARSE_UDP_LEN)
#define FRAME_TCP6_LEN (ETH_HLEN + 40 + PARSE_TCP_LEN)
#define FRAME_UDP6_LEN (ETH_HLEN + 40 + PARSE_UDP_LEN)

char _license[] SEC("license") = "Dual MIT/GPL";

/* 1 if a TCP or UDP packet's own type is enabled, of which tcp is TCP's; no branch. */
static __always_inline __u32 has_ports_type(__u32 types, __u8 protocol, __u32 tcp)
{
	_Static_assert(IPPROTO_TCP >> 4 == 0 && IPPROTO_UDP >> 4 == 1, "");
	_Static_assert(RSS_HASH_TCPV4 << 1 == RSS_HASH_UDPV4, "");
	_Static_assert(RSS_HASH_TCPV6 << 1 == RSS_HASH_UDPV6, "");

	return (types >> (protocol >> 4)) / tcp & 1;
}

SEC("socket")
int tun_rss_steering_prog(struct __sk_buff *skb)
{
	__u32 zero = 0, index, types, len, own;
	const struct rss_key *key;
	union frame f;
	__u64 head;
	const __u16 *queue;
	__be32 ports;
	const __u64 *config = bpf_map_lookup_elem(&tap_rss_map_configurations, &zero);
	__u16 fallback;

	if (!config)
		return 0;
	head = *(const volatile __u64 *)config;
	fallback = *(const volatile __u16 *)(config + 1);
	types = head >> 16;
	len = head >> 48;
	if (!(head & 0xff) || !len || len > RSS_TABLE_MAX || (len & (len - 1)))
		return fallback;
	key = bpf_map_lookup_elem(&tap_rss_map_toeplitz_key, &zero);
	if (!key)
		return fallback;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (!bpf_skb_load_bytes_relative(skb, 0, f.v4.macs, FRAME_TCP4_LEN,
						 BPF_HDR_START_MAC) &&
		    f.v4.proto == bpf_htons(ETH_P_IP) && (f.v4.ip.ihl & 15) == 5 &&
		    !(f.v4.ip.fragment & PARSE_IPV4_FRAGMENT) &&
		    (f.v4.ip.protocol == IPPROTO_TCP || f.v4.ip.protocol == IPPROTO_UDP)) {
			own = has_ports_type(types, f.v4.ip.protocol, RSS_HASH_TCPV4);
			if (!(own | (types & RSS_HASH_IPV4)))
				return fallback;
			index = toeplitz_ipv4(key, *(__be64 *)&f.v4.ip.src, f.v4.ports & -own);
			goto found;
		}
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (!bpf_skb_load_bytes_relative(skb, 0, f.v6.macs, FRAME_TCP6_LEN,
						 BPF_HDR_START_MAC) &&
		    f.v6.proto == bpf_htons(ETH_P_IPV6) &&
		    (f.v6.next == IPPROTO_TCP || f.v6.next == IPPROTO_UDP)) {
			own = has_ports_type(types, f.v6.next, RSS_HASH_TCPV6);
			if (!(own | (types & RSS_HASH_IPV6)))
				return fallback;
			ports = f.v6.ports & -own;
			goto input;
		}
	}
	if (!parse(skb, types, &f.any.in))
		return fallback;
	ports = f.any.in.ports;
input:
	index = toeplitz_ipv6(key, f.any.in.addresses, ports);
found:
	index &= len - 1;
	queue = bpf_map_lookup_elem(&tap_rss_map_indirection_table, &index);
	return queue ? *(const volatile __u16 *)queue : fallback;
}
