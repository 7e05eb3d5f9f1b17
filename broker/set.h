/* SPDX-License-Identifier: MIT */
/*
 * A steering set: one program and its own maps, mapped here so that they are
 * filled by memcpy.  A set serves one request, ever.
 */
#pragma once

#include <stdint.h>

#include "rssb_proto.h"

/* The fds of a set, in the order in which the loader sends them. */
struct set_fds {
	int prog, config, key, table;
};
#define SET_FDS_INIT                                                                               \
	{                                                                                          \
		-1, -1, -1, -1                                                                     \
	}
#define SET_FDS 4

/* Moves the fds into or out of the loader's wire order. */
void set_fds_to_array(const struct set_fds *fds, int ret[SET_FDS]);
void set_fds_from_array(struct set_fds *ret, int fds[SET_FDS]);
void set_fds_done(struct set_fds *fds);

struct set {
	struct set_fds fds;
	void *maps; /* three pages: config, key, table; NULL: not mapped */
	int lease_read, lease_write;
};
#define SET_INIT                                                                                   \
	{                                                                                          \
		.fds = SET_FDS_INIT, .lease_read = -1, .lease_write = -1                           \
	}

/*
 * Maps the maps of *fds and makes a lease.  Takes the fds on success; on failure
 * they stay where they were.  -errno of mmap(2) (a fd that is not such a map) or pipe2(2).
 */
int set_init(struct set *ret, struct set_fds *fds);

/* Writes validated steering, in host byte order, into the maps. */
void set_fill(struct set *s, const struct rssb_steering_wire *steering);

/* Gives up the mapping: from here on only the holders of the fds can write. */
void set_unmap(struct set *s);

/* Closes and unmaps whatever s still has. */
void set_done(struct set *s);
