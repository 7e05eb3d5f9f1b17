/* SPDX-License-Identifier: MIT */
/* What a grant counted between two readings of its counters. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client/include/rssb.h"

#define RATES_HASH_TYPES 9
#define RATES_FALLBACKS	 4

/* Each number is of what happened in the interval. */
struct rates {
	uint64_t grant_id;
	double seconds;
	unsigned queues;    /* that have something to show */
	unsigned table_len; /* 0: unknown */
	uint64_t packets, bytes;
	uint64_t queue_packets[256], queue_bytes[256];
	uint64_t entry_packets[RSSB_TABLE_ENTRIES_MAX];
	struct rssb_table table; /* len 0: the broker does not know it */
	uint64_t hashed[RATES_HASH_TYPES];
	uint64_t fallback[RATES_FALLBACKS]; /* by enum rssb_fallback_reason */
};

/* Both of one grant, before being the earlier one; the table is left to the caller. */
void rates_between(struct rates *ret, const struct rssb_stats *before,
		   const struct rssb_stats *after);

/* A count as a rate. */
double rates_per_second(const struct rates *r, uint64_t count);

/* The part of all packets that this queue got, 0..1. */
double rates_share(const struct rates *r, unsigned queue);

/* The part of the table that names this queue, 0..1; below 0: unknown. */
double rates_table_share(const struct rates *r, unsigned queue);

/* The entries that got most packets, most first, at most n: how many are in ret. */
size_t rates_hottest(const struct rates *r, size_t n, uint16_t ret[]);

/* "no-type", ... of enum rssb_fallback_reason. */
const char *rates_fallback_name(unsigned reason);
