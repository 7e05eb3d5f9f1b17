/* SPDX-License-Identifier: MIT */
/*
 * A steering set: one program and its own maps.  A set serves one request, ever: its fds go to the
 * client, and what the broker keeps of its maps stays with the grant.
 */
#pragma once

#include "broker/common/object_list.h"
#include "broker/common/set_fds.h"
#include "broker/front/grant_maps.h"

struct set {
	struct set_fds fds;
	int lease_read;
	struct grant_maps maps;
};
#define SET_INIT ((struct set){ .fds = SET_FDS_INIT, .lease_read = -1, .maps = GRANT_MAPS_INIT })

/*
 * How many bytes of kernel memory a set of an object takes, with its lease, as the memory
 * cgroup of this host counts: rather too many than too few.  Opens a file.
 */
uint64_t set_weigh(const struct set_fds *fds, const struct object *object,
		   const struct objects *objects);

/*
 * Maps the maps of *fds and makes a lease.  Takes the fds on success; on failure
 * they stay where they were.  n_blocks: how many blocks of counters the stats map has.
 * -errno of mmap(2) (a fd that is not such a map) or pipe2(2).
 */
int set_init(struct set *ret, struct set_fds *fds, unsigned n_blocks);

/*
 * Fills a set's maps as an ACQUIRE says, and closes what neither client nor broker keeps: the maps'
 * fds, unless it is a handoff; with KEEP the lease.
 */
void set_divide(struct set *s, const struct rssb_request_acquire *acquire);

/* Closes and unmaps whatever s still has. */
void set_done(struct set *s);
