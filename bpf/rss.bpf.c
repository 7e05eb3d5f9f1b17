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
#include "bpf/fast.bpf.h"
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

static __always_inline void verdict_start(struct verdict *v)
{
	asm volatile("" : : "r"(v) : "memory"); /* or clang lays it out as it likes */
}

static __always_inline void verdict_fallback(struct verdict *v, __u32 reason)
{
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

static __always_inline void verdict_start(struct verdict *v)
{
}

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

/*
 * The verifier remembers the state at a label, and skips what follows when it comes there again,
 * only if it met two jumps since it last remembered one.  These two lead to the next instruction:
 * the kernel leaves them out of the code.
 */
#define checkpoint() asm volatile("goto +0; goto +0")

/* Of an index into the table; 127 at most, if the length is a power of two as it must be. */
static __always_inline __u32 config_mask(__u64 word)
{
	__u32 mask = RSS_CONFIG_TABLE_LEN(word) - 1;

	forget(mask); /* or clang counts bits */
	return mask;
}

static __always_inline bool config_valid(__u64 word)
{
	__u32 mask = config_mask(word), off = parse_equal(RSS_CONFIG_REDIRECT(word), 0);

	return !(off | mask / RSS_TABLE_MAX | (RSS_CONFIG_TABLE_LEN(word) & mask));
}

static __always_inline const struct rss_key *key_get(__u32 *zero)
{
	return bpf_map_lookup_elem(&tap_rss_map_toeplitz_key, zero);
}

/* The low 7 bits of the packet's hash, and more above; 0, or an enum parse_miss. */
static __always_inline int packet_hash(struct __sk_buff *skb, __u64 word, __u32 *zero,
				       struct verdict *v)
{
	__u32 types = RSS_CONFIG_HASH_TYPES(word);
	__u64 first, second, more = 0;
	const struct rss_key *key;
	union parse_frame f;
	struct fast fast;
	enum frame frame = frame_read(skb, &f, types, &fast);

	if (frame == FRAME_IPV4) {
		if (!(fast.own | fast.ip))
			return PARSE_NO_TYPE;
		verdict_type(v, fast.type);
		first = fast.first;
		second = toeplitz_ports(fast.ports & fast.own);
		key = key_get(zero);
		if (!key)
			return PARSE_NO_TYPE;
	} else {
		if (frame == FRAME_IPV6) {
			if (!(fast.own | fast.ip))
				return PARSE_NO_TYPE;
		} else {
			__builtin_memset(&f, 0, sizeof(f));
			fast.type = parse(skb, types, &f);
			if ((int)fast.type < 0)
				return fast.type;
			fast.own = -1;
		}
		verdict_type(v, fast.type);
		key = key_get(zero);
		if (!key)
			return PARSE_NO_TYPE;
		first = bpf_be64_to_cpu(f.v6.ip.addresses[0]);
		second = bpf_be64_to_cpu(f.v6.ip.addresses[1]);
		more = toeplitz_more(key, second, f.v6.ip.addresses,
				     toeplitz_ports(f.v6.ports & fast.own));
	}
	checkpoint();
	return toeplitz(key, first, second, more) & 127;
}

/* The queue, or an enum parse_miss. */
static __always_inline __s64 steer(struct __sk_buff *skb, __u64 word, __u32 *index,
				   struct verdict *v)
{
	const volatile __u16 *queue;
	int hash;

	if (!config_valid(word))
		return -1 - RSS_FALLBACK_BAD_CONFIG;
	hash = packet_hash(skb, word, index, v);
	if (hash < 0)
		return hash;
	forget(word); /* or clang keeps the mask over the hash */
	*index = hash & config_mask(word);
	verdict_entry(v, *index);
	queue = bpf_map_lookup_elem(&tap_rss_map_indirection_table, index);
	/* An array has all its elements.  A constant in the index's place would be refused. */
	return queue ? *queue : *index;
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
	__u32 index = 0;
	const __u64 *config = bpf_map_lookup_elem(&tap_rss_map_configurations, &index);
	struct verdict v;
	__s64 queue;

	if (!config)
		return 0; /* never: an array has all its elements */
	verdict_start(&v);
	queue = steer(skb, *(const volatile __u64 *)config, &index, &v);
	if (queue < 0) {
		checkpoint();
		verdict_fallback(&v, -1 - queue);
		queue = *(const volatile __u16 *)(config + 1);
	}
	count(skb, queue, &v);
	return queue;
}
