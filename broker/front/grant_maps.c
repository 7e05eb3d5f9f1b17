/* SPDX-License-Identifier: MIT */
/*
 * What the broker keeps of a set.  Runs in the front: plain memory writes and
 * reads, never bpf(2).
 */
#include "broker/front/grant_maps.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/util/fd.h"

enum { CONFIG, KEY, TABLE, MAPS }; /* in the order of set_fds, behind the program */

_Static_assert((int)RSS_FALLBACKS == (int)RSSB_FALLBACKS, "the wire carries every reason");
_Static_assert(RSS_STATS_TYPES == RSSB_HASH_TYPES && RSS_STATS_QUEUES == RSSB_QUEUES_MAX &&
		       RSS_HASH_ALL == RSSB_HASH_ALL && RSS_TUNNEL_ALL == RSSB_TUNNELS_ALL &&
		       RSS_TABLE_MAX == RSSB_TABLE_MAX && RSS_KEY_LEN == RSSB_KEY_LEN,
	       "the wire carries what the maps hold");
_Static_assert(sizeof(struct rss_count) == sizeof(struct rssb_count), "same counters");

/* Each map fits one page; the three lie side by side, so that one munmap gives up all. */
static size_t page_size(void)
{
	static size_t size;

	if (!size)
		size = (size_t)sysconf(_SC_PAGESIZE);
	return size;
}

static void *steering_map(const struct grant_maps *h, unsigned which)
{
	return (char *)h->steering + which * page_size();
}

static size_t stats_size(unsigned n_blocks)
{
	size_t size = n_blocks * sizeof(struct rss_stats);

	return (size + page_size() - 1) / page_size() * page_size();
}

int grant_maps_map(struct grant_maps *h, const struct set_fds *fds, unsigned n_blocks)
{
	void *map = mmap(NULL, MAPS * page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED) /* #syscalls:front mmap munmap */
		return -errno;
	h->steering = map;
	for (unsigned i = 0; i < MAPS; i++) {
		if (mmap(steering_map(h, i), page_size(), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fds->list[1 + i], 0) == MAP_FAILED)
			return -errno;
	}
	if (fds->stats < 0)
		return 0;
	map = mmap(NULL, stats_size(n_blocks), PROT_READ, MAP_SHARED, fds->stats, 0);
	if (map == MAP_FAILED)
		return -errno;
	h->stats = map;
	h->n_blocks = n_blocks;
	return 0;
}

static void store16(void *at, uint16_t value)
{
	__atomic_store_n((uint16_t *)at, value, __ATOMIC_RELEASE);
}

static uint16_t *table_entry(const struct grant_maps *h, size_t entry)
{
	return (uint16_t *)((char *)steering_map(h, TABLE) + entry * RSS_TABLE_STRIDE);
}

void grant_maps_set_entry(struct grant_maps *h, size_t entry, uint16_t queue)
{
	store16(table_entry(h, entry), queue);
}

void grant_maps_read_table(const struct grant_maps *h, uint16_t *ret, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = __atomic_load_n(table_entry(h, i), __ATOMIC_RELAXED);
}

/* The first eight of the ten bytes in one store: types and length change together. */
static void config_store(void *at, const struct rss_config *config)
{
	uint64_t head;

	memcpy(&head, config, sizeof(head));
	__atomic_store_n((uint64_t *)at, head, __ATOMIC_RELEASE);
	store16((char *)at + sizeof(head), config->default_queue);
}

static void key_store(struct rss_key *at, const uint8_t key[RSSB_KEY_LEN])
{
	uint32_t word0;

	memcpy(&word0, key, sizeof(word0));
	at->word0 = be32toh(word0);
	memcpy(at->rest, key + sizeof(word0), sizeof(at->rest));
}

/*
 * Entries first, then the length that may use them.  What lies behind a shorter
 * table stays: a packet on its way may have read the old length already.
 */
void grant_maps_fill(struct grant_maps *h, const struct rssb_steering_wire *steering)
{
	const struct rss_config config = {
		.redirect = 1,
		.hash_types = steering->hash_types,
		.table_len = steering->table_len,
		.default_queue = steering->default_queue,
	};
	char *entry = steering_map(h, TABLE);

	for (size_t i = 0; i < steering->table_len; i++, entry += RSS_TABLE_STRIDE)
		store16(entry, steering->table[i]);
	if (steering->key_len)
		key_store(steering_map(h, KEY), steering->key);
	config_store(steering_map(h, CONFIG), &config);
}

void grant_maps_unmap_steering(struct grant_maps *h)
{
	if (h->steering)
		munmap(h->steering, MAPS * page_size());
	h->steering = NULL;
}

static uint64_t counter(const rss_u64 *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static void counts_add(struct rssb_count *sum, const struct rss_count *cpu, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sum[i].packets += counter(&cpu[i].packets);
		sum[i].bytes += counter(&cpu[i].bytes);
	}
}

static void packets_add(uint64_t *sum, const rss_u64 *cpu, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum[i] += counter(&cpu[i]);
}

void grant_maps_read_stats(const struct grant_maps *h, struct rssb_reply_stats *ret)
{
	for (unsigned i = 0; i < h->n_blocks; i++) {
		const struct rss_stats *s = &h->stats[i];

		counts_add(ret->queue, s->queue, RSS_STATS_QUEUES);
		counts_add(ret->entry, s->entry, RSS_TABLE_MAX);
		packets_add(ret->hashed, s->hashed, RSS_STATS_TYPES);
		packets_add(ret->fallback, s->fallback, RSS_FALLBACKS);
	}
}

void grant_maps_done(struct grant_maps *h)
{
	grant_maps_unmap_steering(h);
	if (h->stats)
		munmap((void *)h->stats, stats_size(h->n_blocks));
	h->stats = NULL;
	fd_closep(&h->lease_write);
}
