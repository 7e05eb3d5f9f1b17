/* SPDX-License-Identifier: MIT */
/*
 * What the broker keeps of a set: its maps as plain memory, its counters, the
 * write end of its lease.  For a handoff only the last two outlive the reply.
 */
#pragma once

#include <stddef.h>

#include "bpf/rss_maps.h"
#include "broker/common/set_fds.h"
#include "proto/rssb_proto.h"

struct grant_maps {
	void *steering;		       /* three pages: config, key, table; NULL: given up */
	const struct rss_stats *stats; /* blocks; NULL: the object does not count */
	unsigned n_blocks;
	int lease_write; /* -1: the grant has no lease */
};
#define GRANT_MAPS_INIT ((struct grant_maps){ .lease_write = -1 })

/*
 * Maps the maps of a set.  0, or -errno of mmap(2): such an fd is not such a map; what was mapped
 * is h's until grant_maps_done().
 */
int grant_maps_map(struct grant_maps *h, const struct set_fds *fds, unsigned n_blocks);

/*
 * Writes validated steering into the maps.  Packets may pass meanwhile: each sees old or new
 * values, never an index that is neither.  A key_len of 0 keeps the key.
 */
void grant_maps_fill(struct grant_maps *h, const struct rssb_steering_wire *steering);

/*
 * Entries of the table, as packets are steered now; and one entry's new queue, in
 * one store: a packet meets the old queue or the new one.
 */
void grant_maps_read_table(const struct grant_maps *h, uint16_t *ret, size_t n);
void grant_maps_set_entry(struct grant_maps *h, size_t entry, uint16_t queue);

/* Gives up the steering maps: from here on only the holders of their fds can write. */
void grant_maps_unmap_steering(struct grant_maps *h);

/* Adds up all blocks of counters. */
void grant_maps_read_stats(const struct grant_maps *h, struct rssb_reply_stats *ret);

void grant_maps_done(struct grant_maps *h);
