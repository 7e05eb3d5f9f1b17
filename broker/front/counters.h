/* SPDX-License-Identifier: MIT */
/* What the broker has done since it started: for STATUS. */
#pragma once

#include "proto/rssb_proto.h"

struct counters {
	uint64_t loads, load_failures;
	uint64_t requests[RSSB_COUNTERS];    /* by enum rssb_op; 0: it could not be read */
	uint64_t refusals[RSSB_COUNTERS];    /* by enum rssb_status */
	uint64_t latency[RSSB_LATENCY_BINS]; /* of granted ACQUIREs; bin i: below 2^i us */
	uint64_t latency_sum_ns;
};

/* Counts a reply to an operation. */
static inline void counters_reply(struct counters *c, unsigned op, unsigned status)
{
	c->requests[op < RSSB_COUNTERS ? op : 0]++;
	if (status != RSSB_OK && status < RSSB_COUNTERS)
		c->refusals[status]++;
}

static inline void counters_latency(struct counters *c, uint64_t ns)
{
	unsigned bin = 0;

	while (bin < RSSB_LATENCY_BINS - 1 && ns >= 1000ull << bin)
		bin++;
	c->latency[bin]++;
	c->latency_sum_ns += ns;
}
