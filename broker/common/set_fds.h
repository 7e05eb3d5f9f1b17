/* SPDX-License-Identifier: MIT */
/* The fds of a steering set, as the loader makes them and the front hands them over. */
#pragma once

#include <stddef.h>

#include "proto/util/fd.h"

#define SET_FDS_MAX 5

/* The fds of a set, by name or as a list in the order in which the loader sends them. */
struct set_fds {
	union {
		struct {
			int prog, config, key, table;
			int stats; /* -1: the object does not count; it never leaves the broker */
		};
		int list[SET_FDS_MAX];
	};
};
#define SET_FDS_INIT ((struct set_fds){ .list = { -1, -1, -1, -1, -1 } })

/* How many of the list are open, up to the first that is not. */
static inline size_t set_fds_count(const struct set_fds *fds)
{
	size_t n = 0;

	while (n < SET_FDS_MAX && fds->list[n] >= 0)
		n++;
	return n;
}

static inline void set_fds_done(struct set_fds *fds)
{
	for (size_t i = 0; i < SET_FDS_MAX; i++)
		fd_closep(&fds->list[i]);
}
