/* SPDX-License-Identifier: MIT */
/*
 * Whether bytes are a steering object of ABI qemu-rss-1: one socket filter, QEMU's
 * three maps in QEMU's order, and nothing that asks for more.  libbpf reads them, which
 * damaged bytes may crash: so it is done in a process of its own.
 */
#pragma once

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stddef.h>

#define OBJECT_CHECK_WHY_MAX	 160
#define OBJECT_CHECK_LICENSE_MAX 64
#define OBJECT_CHECK_MAPS_MAX	 4

/* A map of the ABI; the loader gives the last one its number of entries. */
struct object_check_map {
	const char *name;
	enum bpf_map_type type;
	__u32 key_size, value_size, max_entries, flags;
};
extern const struct object_check_map object_check_maps[OBJECT_CHECK_MAPS_MAX];

struct object_check {
	unsigned n_maps; /* 3, or 4: */
	bool counts;	 /* has the counters of rss-stats as its fourth map */
	char license[OBJECT_CHECK_LICENSE_MAX];
};

/*
 * Checks the bytes in a child of its own.  0; -EINVAL: why says in one line of ASCII
 * which rule is broken, or what became of the child; other -errno: there could be no
 * child.  *ret is written on success only.
 */
int object_check(struct object_check *ret, const void *elf, size_t size,
		 char why[OBJECT_CHECK_WHY_MAX]);

/*
 * The check itself, in this process.  Returns the object as libbpf opened it, the
 * caller's, or NULL and why.  libbpf prints nothing any more.
 */
struct bpf_object *object_check_open(struct object_check *ret, const void *elf, size_t size,
				     const struct bpf_object_open_opts *opts,
				     char why[OBJECT_CHECK_WHY_MAX]);

/* Has libbpf's first complaint from now on put into why; NULL: into nothing. */
void object_check_listen(char why[OBJECT_CHECK_WHY_MAX]);

/* Of what an object, or the process that read it, says nothing but ASCII gets into a log. */
void object_check_sanitize(char *text);

/*
 * Ends this process, a child, after so much CPU time, by a signal that is nothing else's: the hard
 * limit is above the soft one, for that one's SIGKILL could be anybody's.
 */
void object_check_limit_cpu(unsigned cpu_max_s);

/* Into why, what became of a child with that limit that ended without an answer. */
void object_check_explain_end(char why[OBJECT_CHECK_WHY_MAX], int wait_status, unsigned cpu_max_s);
