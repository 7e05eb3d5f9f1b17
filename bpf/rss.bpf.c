// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The steering program: which receive queue of a tap a packet goes to.
 *
 * Maps, their names, order, sizes and flags are QEMU's (rss_maps.h), and there
 * must be no other map nor data section: loaders pass every map on.  The maps
 * may be rewritten at any moment, also with nonsense, so each value is read
 * once and judged before use.  Nothing is newer than Linux 5.15.
 *
 * The kernel keeps the code of rss, and of rss-stats, in two pages; a third would be every set's
 * (bpftool prog show: memlock 8192B).  rss-tunnel has three.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/rss_maps.h"
#include "bpf/toeplitz.bpf.h"
#include "bpf/parse.bpf.h"

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
	__uint(max_entries, 1); /* the loader gives it as many blocks as the host needs */
	__uint(map_flags, BPF_F_MMAPABLE);
} rss_stats SEC(".maps") = {};
#endif

char _license[] SEC("license") = "Dual MIT/GPL";

#ifdef RSS_STATS
/*
 * How a packet was steered, for the counters.  To index with CAP_BPF alone a number must be
 * unknown to the verifier on every way that leads there, and one that it knows, of a range,
 * it would follow on a way of its own: what is stored in the midst of a stack slot it forgets.
 */
struct verdict {
	__u16 slot;
	volatile __u16 entry; /* of the table; RSS_TABLE_MAX: none */
	volatile __u16 outcome;
	__u16 unused;
} __attribute__((aligned(8)));

static __always_inline void verdict_fallback(struct verdict *v, __u32 reason)
{
	asm volatile("" : : "r"(v) : "memory"); /* or clang lays it out as it likes */
	v->entry = RSS_TABLE_MAX;
	v->outcome = RSS_STATS_TYPES + reason;
}

static __always_inline void verdict_type(struct verdict *v, __u32 type)
{
	v->outcome = type;
}

static __always_inline void verdict_entry(struct verdict *v, __u32 entry)
{
	v->entry = entry;
}
#else
struct verdict {
};

static __always_inline void verdict_fallback(struct verdict *v, __u32 reason)
{
}

static __always_inline void verdict_type(struct verdict *v, __u32 type)
{
}

static __always_inline void verdict_entry(struct verdict *v, __u32 entry)
{
}
#endif

#ifdef RSS_TUNNEL
#define STEERING_TYPES (RSS_HASH_ALL | RSS_TUNNEL_ALL)

/* Whether a packet to this port may be a tunnel's, which is parse()'s to see into. */
static __always_inline bool maybe_tunnel(__u32 types, __u8 protocol, __be32 ports)
{
	return tunnel_type(*((__be16 *)&ports + 1)) & types & -(protocol >> 4);
}
#else
#define STEERING_TYPES RSS_HASH_ALL

static __always_inline bool maybe_tunnel(__u32 types, __u8 protocol, __be32 ports)
{
	return false;
}
#endif

/* The configuration, read once. */
struct steering {
	__u32 types;
	__u32 mask;	     /* of an index into the table */
	__u64 default_queue; /* like every number that clang may spill: see struct parse_walk */
};

/* False: all packets go to the default queue. */
static __always_inline bool steering_read(struct steering *ret, const __u64 *config)
{
	__u64 word = *(const volatile __u64 *)config;
	__u32 len, off;

	ret->default_queue = *(const volatile __u16 *)(config + 1);
	forget(ret->default_queue); /* or clang makes 32 bits of it */
	ret->types = RSS_CONFIG_HASH_TYPES(word) & STEERING_TYPES;
	len = RSS_CONFIG_TABLE_LEN(word);
	ret->mask = len - 1;
	forget(ret->mask); /* or clang counts bits */
	off = parse_equal(RSS_CONFIG_REDIRECT(word), 0);
	return !(off | ret->mask / RSS_TABLE_MAX | (len & ret->mask));
}

/* Reads a frame from `start` on, whose network header is of net_len bytes, and 8 bytes more. */
static __always_inline bool frame_read(struct __sk_buff *skb, union parse_frame *f, __u32 start,
				       __u32 net_len)
{
	return !bpf_skb_load_bytes_relative(
		skb, start, f, ETH_HLEN - start + net_len + PARSE_UDP_LEN, BPF_HDR_START_MAC);
}

/*
 * Whether it is TCP or UDP, and its header whole.  skb->len may or may not count the MAC
 * header: a TCP segment so short that it depends on that is left to parse().
 */
static __always_inline bool has_ports(struct __sk_buff *skb, __u8 protocol, __u32 net_len)
{
	return protocol == IPPROTO_UDP ||
	       (protocol == IPPROTO_TCP && skb->len >= ETH_HLEN + net_len + PARSE_TCP_LEN);
}

static __always_inline bool frame_is_ipv4(struct __sk_buff *skb, union parse_frame *f, __u32 types)
{
	const struct parse_ipv4 *ip = &f->v4.ip;
	__u32 other;

	if (!frame_read(skb, f, PARSE_V4_START, sizeof(*ip)))
		return false;
	other = (f->v4.proto ^ bpf_htons(ETH_P_IP)) | ((ip->ihl & 15) ^ 5) |
		(ip->fragment & PARSE_IPV4_FRAGMENT);
	forget(other);
	return !other && has_ports(skb, ip->protocol, sizeof(*ip)) &&
	       !maybe_tunnel(types, ip->protocol, f->v4.ports);
}

static __always_inline bool frame_is_ipv6(struct __sk_buff *skb, union parse_frame *f, __u32 types)
{
	return frame_read(skb, f, PARSE_V6_START, sizeof(f->v6.ip)) &&
	       f->v6.proto == bpf_htons(ETH_P_IPV6) &&
	       has_ports(skb, f->v6.ip.next, sizeof(f->v6.ip)) &&
	       !maybe_tunnel(types, f->v6.ip.next, f->v6.ports);
}

/*
 * Of a TCP or UDP packet, as the verifier is not to know it: it would follow IPv4 and IPv6, each
 * protocol and each type on a way of its own.
 */
struct fast {
	__u32 types;	/* enabled ones, the family's own three lowest */
	__u32 protocol; /* TCP or UDP */
	__u64 all; /* all ones if there is more to hash than addresses and ports in two words */
	__u8 more; /* FRAME_MORE, likewise, and other bits */
};

/* All ones if its own type is enabled; no branch. */
static __always_inline __u32 ports_mask(const struct fast *fast)
{
	_Static_assert(!(IPPROTO_TCP >> 4) && IPPROTO_UDP >> 4 == 1, "tells TCP from UDP");
	_Static_assert(RSS_HASH_IPV4 == 1 && RSS_HASH_TCPV4 == 2 && RSS_HASH_UDPV4 == 4 &&
			       RSS_HASH_TCPV6 == 8 * RSS_HASH_TCPV4 &&
			       RSS_HASH_UDPV6 == 8 * RSS_HASH_UDPV4,
		       "IP, TCP, UDP, by family");

	return -((fast->types >> (fast->protocol >> 4)) / RSS_HASH_TCPV4 & 1);
}

/* The number of its type, own being of ports_mask(); no branch. */
static __always_inline __u32 fast_type(const struct fast *fast, __u32 own)
{
	return (fast->all & 3) + (own & (1 + (fast->protocol >> 4)));
}

/* What IPv6's ethertype has in its first byte, and IPv4's has not: there is more to hash. */
#define FRAME_MORE 0x80

/* A byte of a frame once more: the verifier knows what the one compared was, on each way. */
static __always_inline __u32 frame_byte(const void *byte)
{
	__u32 value = *(const volatile __u8 *)byte;

	forget(value);
	return value;
}

/* Whether parse() is not needed: TCP or UDP, whole, without options or extension headers. */
static __always_inline bool fast_read(struct __sk_buff *skb, __u32 types, union parse_frame *f,
				      struct fast *ret)
{
	__u32 proto = skb->protocol; /* the sender's word for it; the frame decides */

	if (proto == bpf_htons(ETH_P_IPV6) && frame_is_ipv6(skb, f, types)) {
		ret->types = types / RSS_HASH_IPV6;
		ret->protocol = frame_byte(&f->v6.ip.next);
		ret->all = -1;
		ret->more = frame_byte(&f->v6.proto);
	} else if (proto == bpf_htons(ETH_P_IP) && frame_is_ipv4(skb, f, types)) {
		ret->types = types;
		ret->protocol = frame_byte(&f->v4.ip.protocol);
		ret->all = 0;
		ret->more = frame_byte(&f->v4.proto);
	} else {
		return false;
	}
	return true;
}

/* The low bits of the packet's hash, or an enum parse_miss. */
static __always_inline int packet_hash(struct __sk_buff *skb, __u32 types,
				       const struct rss_key *key, struct verdict *v)
{
	union parse_frame f = { 0 }; /* with CAP_BPF alone all of it has to be known at the end */
	struct fast fast = { .more = FRAME_MORE };
	__u32 own = -1;
	__u64 keep = -1;
	int type;

	if (fast_read(skb, types, &f, &fast)) {
		own = ports_mask(&fast);
		if (!(own | (fast.types & RSS_HASH_IPV4)))
			return PARSE_NO_TYPE;
		verdict_type(v, fast_type(&fast, own));
		keep = (__u64)own << 32 | fast.all;
	} else {
		type = parse(skb, types, &f);
		if (type < 0)
			return type;
		verdict_type(v, type);
	}
	forget(fast.more); /* or clang makes a branch of it before */
	return toeplitz(key, f.v6.ip.addresses, keep, fast.more & FRAME_MORE, f.v6.ports & own) &
	       127;
}

static __always_inline __u64 steer(struct __sk_buff *skb, const __u64 *config, struct verdict *v)
{
	const struct rss_key *key;
	const volatile __u16 *queue;
	struct steering s;
	__u32 index = 0;
	int hash;

	verdict_fallback(v, RSS_FALLBACK_BAD_CONFIG);
	if (!steering_read(&s, config))
		return s.default_queue;
	key = bpf_map_lookup_elem(&tap_rss_map_toeplitz_key, &index);
	if (!key)
		return s.default_queue;
	hash = packet_hash(skb, s.types, key, v);
	if (hash < 0) {
		verdict_fallback(v, -1 - hash);
		return s.default_queue;
	}
	index = hash & s.mask;
	verdict_entry(v, index);
	queue = bpf_map_lookup_elem(&tap_rss_map_indirection_table, &index);
	return queue ? *queue : s.default_queue;
}

#ifdef RSS_STATS
/* The queue to count for: the last, for any above; no branch. */
static __always_inline __u32 count_queue(__u32 queue)
{
	__u32 above = queue / RSS_STATS_QUEUES;

	forget(above);
	queue |= -(-above >> 31);
	forget(queue);
	return queue & (RSS_STATS_QUEUES - 1);
}

static __always_inline void count_add(rss_u64 *sum, __u32 n, bool shared)
{
	if (shared)
		__sync_fetch_and_add(sum, n);
	else
		*sum += n;
}

static __always_inline void count_one(struct rss_count *count, __u32 bytes, bool shared)
{
	count_add(&count->packets, 1, shared);
	count_add(&count->bytes, bytes, shared);
}

static __always_inline void count_in(struct rss_stats *stats, __u32 bytes, __u32 queue,
				     const struct verdict *v, bool shared)
{
	__u32 entry = v->entry;

	count_one(&stats->queue[count_queue(queue)], bytes, shared);
	count_add(&stats->outcome[v->outcome & (RSS_STATS_OUTCOMES - 1)], 1, shared);
	if (!(entry & RSS_TABLE_MAX))
		count_one(&stats->entry[entry & (RSS_TABLE_MAX - 1)], bytes, shared);
}

/*
 * Nobody else writes into a block of this CPU's own: a tap runs its program with softirqs
 * off.  What is added to a shared block is added atomically, which takes longer.
 */
static __always_inline void count(struct __sk_buff *skb, __u64 queue, const struct verdict *v)
{
	__u32 cpu = bpf_get_smp_processor_id(), block = cpu;
	struct rss_stats *stats;

	if (cpu >= RSS_STATS_OWN)
		block = RSS_STATS_OWN + (cpu & (RSS_STATS_SHARED - 1));
	stats = bpf_map_lookup_elem(&rss_stats, &block);
	if (!stats)
		return;
	if (cpu >= RSS_STATS_OWN)
		count_in(stats, skb->len, queue, v, true);
	else
		count_in(stats, skb->len, queue, v, false);
}
#else
static __always_inline void count(struct __sk_buff *skb, __u64 queue, const struct verdict *v)
{
}
#endif

SEC("socket")
int tun_rss_steering_prog(struct __sk_buff *skb)
{
	__u32 zero = 0;
	const __u64 *config = bpf_map_lookup_elem(&tap_rss_map_configurations, &zero);
	struct verdict v;
	__u64 queue;

	if (!config)
		return 0; /* never: an array has all its elements */
	queue = steer(skb, config, &v);
	count(skb, queue, &v);
	return queue;
}
