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

/*
 * In the order in which every loader takes them.  The initializers see to it:
 * without one clang puts a variable where a function first happens to use it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct rss_config));
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
} tap_rss_map_configurations SEC(".maps") = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct rss_key));
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
} tap_rss_map_toeplitz_key SEC(".maps") = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u16));
	__uint(max_entries, RSS_TABLE_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
} tap_rss_map_indirection_table SEC(".maps") = {};

#ifdef RSS_STATS
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct rss_stats));
	__uint(max_entries, 1); /* the loader makes it one a possible CPU */
	__uint(map_flags, BPF_F_MMAPABLE);
} rss_stats SEC(".maps") = {};
#endif

char _license[] SEC("license") = "Dual MIT/GPL";

/*
 * The headers of a packet, from so far into the MAC header on that addresses and
 * ports are 8-byte aligned and in 16 bytes of their own: the kernel copies in such
 * pieces, and a load from two of them waits until both have reached the cache.
 */
union frame {
	struct {
		__u8 mac[2];
		__be16 proto;
		struct parse_ipv4 ip;
		__be32 ports;
		__be32 tcp[4];
	} v4;
	struct {
		__u8 mac[6];
		__be16 proto;
		__u8 version[6];
		__u8 next;
		__u8 hops;
		__be64 addresses[4];
		__be32 ports;
		__be32 tcp[4];
	} v6;
	struct {
		__u8 headers[16];
		struct parse_input in; /* addresses where v6 has them */
	} any;
};

#define FRAME_V4_START (ETH_HLEN - 4)
#define FRAME_V6_START (ETH_HLEN - 8)

_Static_assert(__builtin_offsetof(union frame, v4.ip.src) == 16, "aligned");
_Static_assert(__builtin_offsetof(union frame, v6.addresses) == 16, "aligned");
_Static_assert(__builtin_offsetof(union frame, any.in) == 16, "one hash reads both");

/*
 * How a packet was steered, for the counters alone.  Of 64 bits: with CAP_BPF alone
 * older verifiers (seen: 5.10, 6.1) take a second write of a shorter number to the
 * stack for an attack on what was spilled there.
 */
struct verdict {
	__u64 entry;	/* of the table; RSS_TABLE_MAX: none */
	__u64 type;	/* with an entry: the number of the bit in RSS_HASH_ALL */
	__u64 fallback; /* without: enum rss_fallback */
};

/* The configuration, read once. */
struct steering {
	__u32 types;
	__u32 mask; /* of an index into the table */
	__u16 default_queue;
};

/* False: all packets go to the default queue. */
static __always_inline bool steering_read(struct steering *ret, const __u64 *config)
{
	__u64 word = *(const volatile __u64 *)config;
	__u32 len;

	ret->default_queue = *(const volatile __u16 *)(config + 1);
	ret->types = RSS_CONFIG_HASH_TYPES(word);
	len = RSS_CONFIG_TABLE_LEN(word);
	ret->mask = len - 1;
	forget(ret->mask); /* or clang counts bits */
	return RSS_CONFIG_REDIRECT(word) && ret->mask < RSS_TABLE_MAX && !(len & ret->mask);
}

/*
 * Reads a frame from `start` on, whose network header is of net_len bytes, with as much
 * of the transport header as ports need: a TCP header, a UDP header (of TCP too, if that
 * is cut short) or nothing.  Returns how many bytes of it.
 */
static __always_inline __u32 frame_read(struct __sk_buff *skb, union frame *f, __u32 start,
					__u32 net_len)
{
	__u32 len = ETH_HLEN - start + net_len;

	/* skb->len may or may not count the MAC header: less than this is surely too short. */
	if (skb->len >= net_len + PARSE_TCP_LEN &&
	    !bpf_skb_load_bytes_relative(skb, start, f, len + PARSE_TCP_LEN, BPF_HDR_START_MAC))
		return PARSE_TCP_LEN;
	if (!bpf_skb_load_bytes_relative(skb, start, f, len + PARSE_UDP_LEN, BPF_HDR_START_MAC))
		return PARSE_UDP_LEN;
	return 0;
}

static __always_inline bool has_ports(__u8 protocol, __u32 len)
{
	return (protocol == IPPROTO_TCP && len == PARSE_TCP_LEN) ||
	       (protocol == IPPROTO_UDP && len);
}

static __always_inline bool frame_is_ipv4(struct __sk_buff *skb, union frame *f)
{
	__u32 len = frame_read(skb, f, FRAME_V4_START, sizeof(f->v4.ip));

	return f->v4.proto == bpf_htons(ETH_P_IP) && (f->v4.ip.ihl & 15) == 5 &&
	       !(f->v4.ip.fragment & PARSE_IPV4_FRAGMENT) && has_ports(f->v4.ip.protocol, len);
}

static __always_inline bool frame_is_ipv6(struct __sk_buff *skb, union frame *f)
{
	__u32 len = frame_read(skb, f, FRAME_V6_START, sizeof(struct parse_ipv6));

	return f->v6.proto == bpf_htons(ETH_P_IPV6) && has_ports(f->v6.next, len);
}

/* All ones if a TCP or UDP packet's own type is enabled, tcp being TCP's; no branch. */
static __always_inline __u32 ports_mask(__u32 types, __u8 protocol, __u32 tcp)
{
	_Static_assert(!(IPPROTO_TCP >> 4) && IPPROTO_UDP >> 4 == 1, "tells TCP from UDP");
	_Static_assert(RSS_HASH_TCPV4 << 1 == RSS_HASH_UDPV4, "UDP's bit is the next");
	_Static_assert(RSS_HASH_TCPV6 << 1 == RSS_HASH_UDPV6, "UDP's bit is the next");

	return -((types >> (protocol >> 4)) / tcp & 1);
}

/* The number of the type of a TCP or UDP packet, ip being that of IP's own; no branch. */
static __always_inline __u32 frame_type(__u8 protocol, __u32 own, __u32 ip)
{
	_Static_assert(RSS_HASH_IPV4 << 1 == RSS_HASH_TCPV4, "TCP's bit is the next");
	_Static_assert(RSS_HASH_IPV6 << 1 == RSS_HASH_TCPV6, "TCP's bit is the next");

	return ip + (own & (1 + (protocol >> 4)));
}

/* The number of the one bit of an RSS_HASH_ type: how many there are below it. */
static __always_inline __u32 type_number(__u32 type)
{
	__u32 n = type - 1;

	n -= n >> 1 & 0x55;
	n = (n & 0x33) + (n >> 2 & 0x33);
	return (n + (n >> 4)) & 15;
}

/* The low bits of the packet's hash, or an enum parse_miss. */
static __always_inline int packet_hash(struct __sk_buff *skb, __u32 types,
				       const struct rss_key *key, __u64 *ret_type)
{
	__u32 proto = skb->protocol; /* the sender's word for it; the frame decides */
	union frame f;
	__be32 ports;
	__u32 own;

	if (proto == bpf_htons(ETH_P_IP) && frame_is_ipv4(skb, &f)) {
		own = ports_mask(types, f.v4.ip.protocol, RSS_HASH_TCPV4);
		if (!(own | (types & RSS_HASH_IPV4)))
			return PARSE_NO_TYPE;
		*ret_type = frame_type(f.v4.ip.protocol, own, 0);
		return toeplitz_ipv4(key, *(__be64 *)&f.v4.ip.src, f.v4.ports & own) & 127;
	}
	if (proto == bpf_htons(ETH_P_IPV6) && frame_is_ipv6(skb, &f)) {
		own = ports_mask(types, f.v6.next, RSS_HASH_TCPV6);
		if (!(own | (types & RSS_HASH_IPV6)))
			return PARSE_NO_TYPE;
		*ret_type = frame_type(f.v6.next, own, 3);
		ports = f.v6.ports & own;
	} else {
		if (!parse(skb, types, &f.any.in))
			return f.any.in.type;
		if (f.any.in.type > (int)RSS_HASH_ALL)
			return PARSE_NO_TYPE;
		*ret_type = type_number(f.any.in.type);
		ports = f.any.in.ports;
	}
	return toeplitz_ipv6(key, f.any.in.addresses, ports) & 127;
}

static __always_inline __u32 steer(struct __sk_buff *skb, const __u64 *config, struct verdict *v)
{
	const struct rss_key *key;
	const volatile __u16 *queue;
	struct steering s;
	__u32 index = 0;
	int hash;

	v->entry = RSS_TABLE_MAX;
	v->type = 0;
	v->fallback = RSS_FALLBACK_BAD_CONFIG;
	if (!steering_read(&s, config))
		return s.default_queue;
	key = bpf_map_lookup_elem(&tap_rss_map_toeplitz_key, &index);
	if (!key)
		return s.default_queue;
	hash = packet_hash(skb, s.types, key, &v->type);
	if (hash < 0) {
		v->fallback = -1 - hash;
		return s.default_queue;
	}
	v->entry = index = hash & s.mask;
	queue = bpf_map_lookup_elem(&tap_rss_map_indirection_table, &index);
	return queue ? *queue : s.default_queue;
}

#ifdef RSS_STATS
/* The queue to count for: the last, for any above. */
static __always_inline __u32 count_queue(__u32 queue)
{
	__u32 above = queue / RSS_STATS_QUEUES;

	forget(above);
	queue |= -(-above >> 31);
	forget(queue);
	return queue & (RSS_STATS_QUEUES - 1);
}

static __always_inline void count_one(struct rss_count *count, __u32 bytes)
{
	count->packets++;
	count->bytes += bytes;
}

/*
 * Nobody else writes this CPU's counters: a tap runs its program with softirqs off.
 *
 * To index with CAP_BPF alone a number must be unknown to the verifier on every
 * way that leads here: so it is told that each is, by adding a zero it cannot see.
 */
static __always_inline void count(struct __sk_buff *skb, __u32 queue, const struct verdict *v)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct rss_stats *stats = bpf_map_lookup_elem(&rss_stats, &cpu);
	__u64 entry = v->entry, type = v->type, fallback = v->fallback;

	/* Or clang has 32 bits of them on the stack. */
	forget(entry);
	forget(type);
	forget(fallback);
	if (!stats)
		return;
	entry += parse_zero(skb);
	type += parse_zero(skb);
	fallback += parse_zero(skb);
	count_one(&stats->queue[count_queue(queue)], skb->len);
	if (entry == RSS_TABLE_MAX) {
		_Static_assert(RSS_FALLBACKS == 4, "two bits");
		stats->fallback[fallback & 3]++;
		return;
	}
	forget(entry);
	count_one(&stats->entry[entry & (RSS_TABLE_MAX - 1)], skb->len);
	if (type < RSS_STATS_TYPES)
		stats->hashed[type]++;
}
#else
static __always_inline void count(struct __sk_buff *skb, __u32 queue, const struct verdict *v)
{
}
#endif

SEC("socket")
int tun_rss_steering_prog(struct __sk_buff *skb)
{
	__u32 queue, zero = 0;
	const __u64 *config = bpf_map_lookup_elem(&tap_rss_map_configurations, &zero);
	struct verdict v;

	if (!config)
		return 0; /* never: an array has all its elements */
	queue = steer(skb, config, &v);
	count(skb, queue, &v);
	return queue;
}
