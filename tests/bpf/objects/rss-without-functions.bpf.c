// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * rss for a test on Linux 5.10, whose verifier takes no pointers to global functions: all of it is
 * inlined, and the walk over IPv6's extension headers is left out, which would then be too long.
 * It must never be installed.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#undef __noinline
#define __noinline static __always_inline
#include "bpf/walk.bpf.h"
#define parse_steps(skb, walk) 0
#include "bpf/rss.bpf.c"
