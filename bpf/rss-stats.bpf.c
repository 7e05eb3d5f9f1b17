// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The steering program with counters: rss.bpf.c and one map more.  For the
 * broker's own statistics; QEMU gets the same four fds as of rss.
 */
#include "rss.bpf.c"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct rss_stats));
	__uint(max_entries, 1); /* the loader makes it one a possible CPU */
	__uint(map_flags, BPF_F_MMAPABLE);
} rss_stats SEC(".maps");
