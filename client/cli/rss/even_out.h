/* SPDX-License-Identifier: MIT */
/*
 * Which entries of an indirection table to move, so that the queues' loads come
 * closer to each other with few moves.  Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client/include/rssb.h"
#include "proto/rssb_proto.h"

/* What an interval's packets were, by the broker's counters. */
struct even_out_load {
	uint64_t entry[RSSB_TABLE_ENTRIES_MAX]; /* packets */
	uint64_t other[RSSB_QUEUES_MAX];	/* of a queue: those that no entry steered */
};

/* Both of one grant, before being the earlier one. */
void even_out_load_between(struct even_out_load *ret, const struct rssb_table *table,
			   const struct rssb_stats *before, const struct rssb_stats *after);

/* The largest queue's load over the fair share: the load of all, divided by the queues. */
double even_out_peak(const struct rssb_table *table, const struct even_out_load *load);

/*
 * Returns how many moves there are in ret, at most max and none of the same entry twice; none where
 * the largest queue is near the fair share, no move would help much, or the queues differ by no
 * more than chance makes of so few packets.
 */
size_t even_out(const struct rssb_table *table, const struct even_out_load *load, size_t max,
		struct rssb_move *ret);
