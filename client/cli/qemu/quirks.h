/* SPDX-License-Identifier: MIT */
/* What releases of QEMU do with the fds of ebpf-rss-fds: facts of their sources.  Pure. */
#pragma once

#include <stdbool.h>

/* 10.1 and 10.2 load the fds only where vhost is off. */
static inline bool qemu_drops_fds_with_vhost(int major, int minor)
{
	return major == 10 && (minor == 1 || minor == 2);
}

/* Before 9.2 a set that cannot be used is no error: QEMU steers in its own code instead. */
static inline bool qemu_falls_back(int major, int minor)
{
	return major == 9 && minor < 2;
}
