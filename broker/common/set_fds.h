/* SPDX-License-Identifier: MIT */
/* The fds of a steering set, as the loader makes them and the front hands them over. */
#pragma once

#include <stddef.h>

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

/* Copies the open fds into the loader's wire order.  Returns how many. */
size_t set_fds_to_array(const struct set_fds *fds, int ret[SET_FDS_MAX]);

/* Takes n fds out of that order. */
void set_fds_from_array(struct set_fds *ret, int fds[], size_t n);

void set_fds_done(struct set_fds *fds);
