/* SPDX-License-Identifier: MIT */
/* Differences of counters.  Pure; the counters may have wrapped around. */
#include "client/cli/commands/top/rates.h"

#include <stdbool.h>
#include <string.h>

/*
 * The broker knows how many queues there are unless the client configures
 * them; a queue that ever got a packet is shown in any case.
 */
static unsigned queues_to_show(const struct rssb_stats *stats)
{
	unsigned n = stats->queues;

	for (unsigned i = n; i < 256; i++)
		if (stats->queue[i].packets)
			n = i + 1;
	return n;
}

void rates_between(struct rates *ret, const struct rssb_stats *before,
		   const struct rssb_stats *after)
{
	memset(ret, 0, sizeof(*ret));
	ret->grant_id = after->grant_id;
	ret->seconds = (double)(after->time_ns - before->time_ns) / 1e9;
	ret->queues = queues_to_show(after);
	ret->table_len = after->table_len;
	for (unsigned i = 0; i < 256; i++) {
		ret->queue_packets[i] = after->queue[i].packets - before->queue[i].packets;
		ret->queue_bytes[i] = after->queue[i].bytes - before->queue[i].bytes;
		ret->packets += ret->queue_packets[i];
		ret->bytes += ret->queue_bytes[i];
	}
	for (unsigned i = 0; i < RSSB_TABLE_ENTRIES_MAX; i++)
		ret->entry_packets[i] = after->entry[i].packets - before->entry[i].packets;
	for (unsigned i = 0; i < RATES_HASH_TYPES; i++)
		ret->hashed[i] = after->hashed[i] - before->hashed[i];
	for (unsigned i = 0; i < RATES_FALLBACKS; i++)
		ret->fallback[i] = after->fallback[i] - before->fallback[i];
}

double rates_per_second(const struct rates *r, uint64_t count)
{
	return r->seconds > 0 ? (double)count / r->seconds : 0;
}

double rates_share(const struct rates *r, unsigned queue)
{
	return r->packets ? (double)r->queue_packets[queue] / (double)r->packets : 0;
}

double rates_table_share(const struct rates *r, unsigned queue)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->table.len; i++)
		n += r->table.queue[i] == queue;
	return r->table.len ? (double)n / r->table.len : -1;
}

size_t rates_hottest(const struct rates *r, size_t n, uint16_t ret[])
{
	bool taken[RSSB_TABLE_ENTRIES_MAX] = { false };
	size_t found = 0;

	for (; found < n; found++) {
		int most = -1;

		for (int i = 0; i < RSSB_TABLE_ENTRIES_MAX; i++)
			if (!taken[i] && r->entry_packets[i] &&
			    (most < 0 || r->entry_packets[i] > r->entry_packets[most]))
				most = i;
		if (most < 0)
			break;
		taken[most] = true;
		ret[found] = (uint16_t)most;
	}
	return found;
}

const char *rates_fallback_name(unsigned reason)
{
	static const char *const names[RATES_FALLBACKS] = {
		[RSSB_NO_TYPE] = "no-type",
		[RSSB_TRUNCATED] = "truncated",
		[RSSB_NOT_IP] = "not-ip",
		[RSSB_BAD_CONFIG] = "bad-config",
	};

	return reason < RATES_FALLBACKS ? names[reason] : "?";
}
