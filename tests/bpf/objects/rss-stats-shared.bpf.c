// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * rss-stats for a test: every CPU shares the one block of counters, as those with the
 * highest numbers do on a host with many CPUs.  It must never be installed.
 */
#define RSS_STATS_OWN	 0
#define RSS_STATS_SHARED 1

#include "bpf/rss-stats.bpf.c"
