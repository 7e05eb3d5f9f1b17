// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The steering program with counters: rss.bpf.c and one map more.  For the
 * broker's own statistics; QEMU gets the same four fds as of rss.
 */
#define RSS_STATS

#include "bpf/rss.bpf.c"
