/* SPDX-License-Identifier: MIT */
/*
 * A steering set: one program and its own maps.  A set serves one request,
 * ever: its fds go to the client, its hold stays with the grant.
 */
#pragma once

#include <stddef.h>

#include "hold.h"

/* The fds of a set, in the order in which the loader sends them. */
struct set_fds {
	int prog, config, key, table;
	int stats; /* -1: the object does not count; it never leaves the broker */
};
#define SET_FDS_INIT                                                                               \
	{                                                                                          \
		-1, -1, -1, -1, -1                                                                 \
	}
#define SET_FDS_MAX 5

/* Copies the open fds into the loader's wire order.  Returns how many. */
size_t set_fds_to_array(const struct set_fds *fds, int ret[SET_FDS_MAX]);

/* Takes n fds out of that order. */
void set_fds_from_array(struct set_fds *ret, int fds[], size_t n);

void set_fds_done(struct set_fds *fds);

struct set {
	struct set_fds fds;
	int lease_read;
	struct hold hold;
};
#define SET_INIT                                                                                   \
	{                                                                                          \
		.fds = SET_FDS_INIT, .lease_read = -1, .hold = HOLD_INIT                           \
	}

/*
 * Maps the maps of *fds and makes a lease.  Takes the fds on success; on failure
 * they stay where they were.  n_cpus: how many blocks of counters the stats map has.
 * -errno of mmap(2) (a fd that is not such a map) or pipe2(2).
 */
int set_init(struct set *ret, struct set_fds *fds, unsigned n_cpus);

/* Closes the maps' fds: what is handed over then is the program alone. */
void set_keep_program_only(struct set *s);

/* Gives up the lease: nothing but RELEASE ends the grant then. */
void set_drop_lease(struct set *s);

/* Closes and unmaps whatever s still has. */
void set_done(struct set *s);
