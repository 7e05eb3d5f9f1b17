/* SPDX-License-Identifier: MIT */
/* What releases of QEMU do with the fds of ebpf-rss-fds: facts of their sources.  Pure. */
#pragma once

#include <stdbool.h>

/*
 * With vhost=on, 10.1 and newer read no fds, ask for no program, and take off what the
 * host had attached: seen with 11.1.3, the newest there was, and read in the sources
 * of the releases before it.  A release that does otherwise has to be seen first.
 */
static inline bool qemu_drops_fds_with_vhost(int major, int minor)
{
	return major > 10 || (major == 10 && minor >= 1);
}

/* Since when that is so, in a message's words. */
#define QEMU_VHOST_SEEN "10.1 and newer; seen with 11.1.3"

/* Before 9.2 a set that cannot be used is no error: QEMU steers in its own code instead. */
static inline bool qemu_falls_back(int major, int minor)
{
	return major == 9 && minor < 2;
}
