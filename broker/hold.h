/* SPDX-License-Identifier: MIT */
/*
 * What the broker keeps of a set: its maps as plain memory, its counters, the
 * write end of its lease.  For a handoff only the last two outlive the reply.
 */
#pragma once

#include <stddef.h>

#include "bpf/rss_maps.h"
#include "rssb_proto.h"

struct hold {
	void *steering;		       /* three pages: config, key, table; NULL: given up */
	const struct rss_stats *stats; /* one a CPU; NULL: the object does not count */
	unsigned n_cpus;
	int lease_write; /* -1: the grant has no lease */
};
#define HOLD_INIT                                                                                  \
	{                                                                                          \
		.lease_write = -1                                                                  \
	}

/* 0, or -errno of mmap(2): such an fd is not such a map. */
int hold_map_steering(struct hold *h, int config, int key, int table);
int hold_map_stats(struct hold *h, int stats, unsigned n_cpus);

/*
 * Writes validated steering, in host byte order, into the maps.  Packets may
 * pass meanwhile: each sees old or new values, never an index that is neither.  A
 * key_len of 0 keeps the key.
 */
void hold_fill(struct hold *h, const struct rssb_steering_wire *steering);

/* Gives up the steering maps: from here on only the holders of their fds can write. */
void hold_unmap_steering(struct hold *h);

/* Adds up the counters of all CPUs. */
void hold_read_stats(const struct hold *h, struct rssb_reply_stats *ret);

void hold_done(struct hold *h);
