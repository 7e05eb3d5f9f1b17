/* SPDX-License-Identifier: MIT */
/*
 * Whether bytes are a steering object of ABI qemu-rss-1: one socket filter, QEMU's
 * three maps in QEMU's order, and nothing that asks for more.  libbpf must not see
 * an ELF that was not judged here: damaged ones crash it.
 *
 * Pure: no I/O, nothing kept.  Used by the broker and, without privilege, by rssb.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define OBJECT_CHECK_WHY_MAX	 160
#define OBJECT_CHECK_LICENSE_MAX 64

struct object_check {
	unsigned n_maps; /* 3, or 4: */
	bool counts;	 /* has the counters of rss-stats as its fourth map */
	char license[OBJECT_CHECK_LICENSE_MAX];
};

/*
 * 0; -EINVAL: why says in one line of ASCII which rule is broken and how;
 * -ENOMEM.  *ret is written on success only.
 */
int object_check(struct object_check *ret, const void *elf, size_t size,
		 char why[OBJECT_CHECK_WHY_MAX]);
