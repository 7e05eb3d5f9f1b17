/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The maps of a steering object: names, layouts and limits, as QEMU >= 9.0
 * knows them.  Shared by the BPF program and user space; it must hold no code
 * and include nothing but fixed-width types.
 *
 * Every number here is ABI: QEMU mmaps these maps and writes them itself.
 */
#pragma once

#ifdef __bpf__
#include <linux/types.h>
typedef __u8 rss_u8;
typedef __u16 rss_u16;
typedef __u32 rss_u32;
typedef __u64 rss_u64;
#else
#include <stdint.h>
typedef uint8_t rss_u8;
typedef uint16_t rss_u16;
typedef uint32_t rss_u32;
typedef uint64_t rss_u64;
#endif

#define RSS_PROG_NAME	    "tun_rss_steering_prog"
#define RSS_MAP_CONFIG_NAME "tap_rss_map_configurations"
#define RSS_MAP_KEY_NAME    "tap_rss_map_toeplitz_key"
#define RSS_MAP_TABLE_NAME  "tap_rss_map_indirection_table"

#define RSS_KEY_LEN   40  /* bytes */
#define RSS_TABLE_MAX 128 /* entries */

/* An mmapped array map rounds each value up to 8 bytes: entry i is at 8 * i. */
#define RSS_TABLE_STRIDE 8

/* VIRTIO_NET_RSS_HASH_TYPE_*, as in the virtio specification. */
#define RSS_HASH_IPV4	0x001u
#define RSS_HASH_TCPV4	0x002u
#define RSS_HASH_UDPV4	0x004u
#define RSS_HASH_IPV6	0x008u
#define RSS_HASH_TCPV6	0x010u
#define RSS_HASH_UDPV6	0x020u
#define RSS_HASH_IP_EX	0x040u
#define RSS_HASH_TCP_EX 0x080u
#define RSS_HASH_UDP_EX 0x100u
#define RSS_HASH_ALL	0x1ffu

/*
 * VIRTIO_NET_HASH_TUNNEL_TYPE_*, of which a packet inside is hashed by its own headers: the bits
 * of enabled_tunnel_types in the virtio specification ("Encapsulation types supported/enabled for
 * inner header hash"), here in the upper half of hash_types.  The program reads them together with
 * the types, so that both change at once, and no map differs from QEMU's.  rss-tunnel alone
 * knows them: QEMU's guests cannot ask for them, and rss takes no notice.
 */
#define RSS_TUNNEL_SHIFT     16
#define RSS_TUNNEL_GRE_2784  0x0010000u /* over IPv4, neither key nor sequence number */
#define RSS_TUNNEL_GRE_2890  0x0020000u /* over IPv4, with one of them */
#define RSS_TUNNEL_GRE_7676  0x0040000u /* over IPv6 */
#define RSS_TUNNEL_GRE_UDP   0x0080000u
#define RSS_TUNNEL_VXLAN     0x0100000u
#define RSS_TUNNEL_VXLAN_GPE 0x0200000u
#define RSS_TUNNEL_GENEVE    0x0400000u
#define RSS_TUNNEL_IPIP	     0x0800000u
#define RSS_TUNNEL_NVGRE     0x1000000u
#define RSS_TUNNEL_ALL	     0x1ff0000u

/* The one element of the configuration map; host byte order. */
struct rss_config {
	rss_u8 redirect;      /* 0: every packet goes to default_queue */
	rss_u8 populate_hash; /* QEMU writes it; the program has no use for it */
	rss_u32 hash_types;
	rss_u16 table_len; /* a power of two, at most RSS_TABLE_MAX */
	rss_u16 default_queue;
} __attribute__((packed));

/* The same from one 64-bit read of its first 8 bytes, which no writer can come between. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define RSS_CONFIG_REDIRECT(word)   ((rss_u8)(word))
#define RSS_CONFIG_HASH_TYPES(word) ((rss_u32)((word) >> 16))
#define RSS_CONFIG_TABLE_LEN(word)  ((rss_u16)((word) >> 48))
#else
#define RSS_CONFIG_REDIRECT(word)   ((rss_u8)((word) >> 56))
#define RSS_CONFIG_HASH_TYPES(word) ((rss_u32)((word) >> 16))
#define RSS_CONFIG_TABLE_LEN(word)  ((rss_u16)(word))
#endif

/*
 * The one element of the key map.  The first four key bytes, read big-endian,
 * are stored as a host-order integer; the others as they are.
 */
struct rss_key {
	rss_u32 word0;
	rss_u8 rest[RSS_KEY_LEN - 4];
} __attribute__((packed));

_Static_assert(sizeof(struct rss_config) == 10, "QEMU's configuration is 10 bytes");
_Static_assert(sizeof(struct rss_key) == RSS_KEY_LEN, "QEMU's key is 40 bytes");

/*
 * The fourth map of the object rss-stats: an mmapable array of blocks, each a struct
 * rss_stats; a reader adds them up.  A CPU with a number below RSS_STATS_OWN has the block
 * of its number to itself, the others share RSS_STATS_SHARED blocks and add atomically:
 * so a set weighs no more on 512 CPUs than on 32.  The loader sets max_entries, to the
 * end of the CPUs' numbers or RSS_STATS_BLOCKS.
 */
#define RSS_MAP_STATS_NAME "rss_stats"
#ifndef RSS_STATS_OWN /* tests have all CPUs share one */
#define RSS_STATS_OWN	 16
#define RSS_STATS_SHARED 16 /* a power of two */
#endif
#define RSS_STATS_BLOCKS   (RSS_STATS_OWN + RSS_STATS_SHARED)
#define RSS_STATS_QUEUES   256
#define RSS_STATS_TYPES	   9  /* the bits of RSS_HASH_ALL, in order */
#define RSS_STATS_OUTCOMES 16 /* types, then fallbacks; the others are not used */

/* Why a packet went to the default queue. */
enum rss_fallback {
	RSS_FALLBACK_NO_TYPE,	/* none of its hash types is enabled */
	RSS_FALLBACK_TRUNCATED, /* a header is cut off */
	RSS_FALLBACK_NOT_IP,
	RSS_FALLBACK_BAD_CONFIG, /* redirect is off, or the table's length is no power of two */
	RSS_FALLBACKS,
};

struct rss_count {
	rss_u64 packets;
	rss_u64 bytes;
};

struct rss_stats {
	struct rss_count queue[RSS_STATS_QUEUES]; /* one above these counts as the last */
	struct rss_count entry[RSS_TABLE_MAX];	  /* of the indirection table */
	/* Packets by outcome: by the type they were hashed as, or by enum rss_fallback. */
	union {
		struct {
			rss_u64 hashed[RSS_STATS_TYPES];
			rss_u64 fallback[RSS_FALLBACKS];
		};
		rss_u64 outcome[RSS_STATS_OUTCOMES];
	};
};

_Static_assert(sizeof(struct rss_stats) == 6272, "a block of counters");
_Static_assert(sizeof(struct rss_stats) % 64 == 0, "no cache line is in two blocks");
