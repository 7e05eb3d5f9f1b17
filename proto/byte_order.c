/* SPDX-License-Identifier: MIT */
/* Swaps the fields of each message, one by one.  Must stay pure. */
#include "proto/byte_order.h"

#include <endian.h>

void header_swap(struct rssb_header *h)
{
	h->magic = le32toh(h->magic);
	h->version = le16toh(h->version);
	h->op = le16toh(h->op);
	h->length = le32toh(h->length);
	h->tag = le32toh(h->tag);
}

static void object_ref_swap(struct rssb_object_ref *o)
{
	o->by = le16toh(o->by);
	o->abi = le16toh(o->abi);
}

static void table_swap(uint16_t table[RSSB_TABLE_MAX])
{
	for (size_t i = 0; i < RSSB_TABLE_MAX; i++)
		table[i] = le16toh(table[i]);
}

static void steering_swap(struct rssb_steering_wire *s)
{
	s->hash_types = le32toh(s->hash_types);
	s->queues = le16toh(s->queues);
	s->default_queue = le16toh(s->default_queue);
	s->table_len = le16toh(s->table_len);
	s->key_len = le16toh(s->key_len);
	table_swap(s->table);
}

void request_object_swap(union rssb_request *r)
{
	r->object.index = le32toh(r->object.index);
}

void request_acquire_swap(union rssb_request *r)
{
	r->acquire.kind = le16toh(r->acquire.kind);
	r->acquire.flags = le16toh(r->acquire.flags);
	object_ref_swap(&r->acquire.object);
	steering_swap(&r->acquire.steering);
}

void request_release_swap(union rssb_request *r)
{
	r->release.grant.id = le64toh(r->release.grant.id);
}

void request_export_swap(union rssb_request *r)
{
	object_ref_swap(&r->export.object);
}

void request_update_swap(union rssb_request *r)
{
	r->update.grant.id = le64toh(r->update.grant.id);
	steering_swap(&r->update.steering);
}

void request_stats_swap(union rssb_request *r)
{
	r->stats.grant.id = le64toh(r->stats.grant.id);
}

void request_grant_swap(union rssb_request *r)
{
	r->grant.after = le64toh(r->grant.after);
}

void request_move_swap(union rssb_request *r)
{
	struct rssb_request_move *m = &r->move;

	m->grant.id = le64toh(m->grant.id);
	m->n = le16toh(m->n);
	for (size_t i = 0; i < RSSB_MOVES_MAX; i++) {
		m->move[i].entry = le16toh(m->move[i].entry);
		m->move[i].from = le16toh(m->move[i].from);
		m->move[i].to = le16toh(m->move[i].to);
	}
}

void reply_swap(struct rssb_reply *r)
{
	header_swap(&r->header);
	r->status = le16toh(r->status);
	r->n_fds = le16toh(r->n_fds);
	r->retry_ms = le32toh(r->retry_ms);
}

void reply_info_swap(union rssb_reply_any *r)
{
	r->info.n_objects = le32toh(r->info.n_objects);
	r->info.queues_max = le16toh(r->info.queues_max);
	r->info.table_max = le16toh(r->info.table_max);
	r->info.ops = le32toh(r->info.ops);
	r->info.kinds = le32toh(r->info.kinds);
}

void reply_object_swap(union rssb_reply_any *r)
{
	r->object.size = le32toh(r->object.size);
	r->object.abi = le16toh(r->object.abi);
}

void reply_acquire_swap(union rssb_reply_any *r)
{
	r->acquire.grant_id = le64toh(r->acquire.grant_id);
}

static void u64s_swap(uint64_t *u, size_t n)
{
	for (size_t i = 0; i < n; i++)
		u[i] = le64toh(u[i]);
}

static void counts_swap(struct rssb_count *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		c[i].packets = le64toh(c[i].packets);
		c[i].bytes = le64toh(c[i].bytes);
	}
}

void reply_stats_swap(union rssb_reply_any *r)
{
	r->stats.grant_id = le64toh(r->stats.grant_id);
	r->stats.time_ns = le64toh(r->stats.time_ns);
	r->stats.queues = le16toh(r->stats.queues);
	r->stats.table_len = le16toh(r->stats.table_len);
	r->stats.hash_types = le32toh(r->stats.hash_types);
	u64s_swap(r->stats.hashed, RSSB_HASH_TYPES);
	u64s_swap(r->stats.fallback, RSSB_FALLBACKS);
	counts_swap(r->stats.queue, RSSB_QUEUES_MAX);
	counts_swap(r->stats.entry, RSSB_TABLE_MAX);
}

void reply_status_swap(union rssb_reply_any *r)
{
	struct rssb_reply_status *s = &r->status;

	s->connections = le32toh(s->connections);
	s->grants = le32toh(s->grants);
	s->all = le32toh(s->all);
	s->ready = le32toh(s->ready);
	u64s_swap(&s->uptime_ms, 1);
	u64s_swap(&s->memory_used, 1);
	u64s_swap(&s->memory_limit, 1);
	u64s_swap(&s->loads, 1);
	u64s_swap(&s->load_failures, 1);
	u64s_swap(s->requests, RSSB_COUNTERS);
	u64s_swap(s->refusals, RSSB_COUNTERS);
	u64s_swap(s->latency, RSSB_LATENCY_BINS);
	u64s_swap(&s->latency_sum_ns, 1);
}

void reply_grant_swap(union rssb_reply_any *r)
{
	struct rssb_reply_grant *g = &r->grant;

	u64s_swap(&g->id, 1);
	u64s_swap(&g->age_ms, 1);
	g->uid = le32toh(g->uid);
	g->pid = le32toh(g->pid);
	g->kind = le16toh(g->kind);
	g->flags = le16toh(g->flags);
	g->queues = le16toh(g->queues);
	g->table_len = le16toh(g->table_len);
	g->hash_types = le32toh(g->hash_types);
}

void reply_move_swap(union rssb_reply_any *r)
{
	r->move.grant_id = le64toh(r->move.grant_id);
	r->move.queues = le16toh(r->move.queues);
	r->move.table_len = le16toh(r->move.table_len);
	table_swap(r->move.table);
}
