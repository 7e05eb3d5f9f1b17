// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* The steering program that sees into tunnels, with the counters of rss-stats. */
#define RSS_TUNNEL
#define RSS_STATS

#include "bpf/rss.bpf.c"
