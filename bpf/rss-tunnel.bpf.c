// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The steering program that sees into tunnels: rss.bpf.c, and tunnel.bpf.h.  For steering by the
 * host; its maps are those of rss, but for the meaning of the upper half of hash_types.
 */
#define RSS_TUNNEL

#include "bpf/rss.bpf.c"
