/* SPDX-License-Identifier: MIT */
/*
 * The calls of librssb: what the caller means becomes a request, what the
 * broker grants becomes the caller's.  It must never log, keep state outside a
 * connection, or touch an output parameter of a call that fails.
 */
#include "client/include/rssb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/lib/connection.h"
#include "client/lib/fill.h"
#include "proto/util/fd.h"

#define OBJECT_SIZE_MAX (1u << 20) /* bytes; a broker takes no larger file */
#define OBJECTS_MAX	1024 /* far more than any broker has: whoever lists them comes to an end */

static const char *default_path(void)
{
	const char *path = secure_getenv("RSSB_SOCKET");

	return path && *path ? path : RSSB_SOCKET_DEFAULT;
}

int rssb_connect(struct rssb **ret, const char *path)
{
	struct rssb *c = calloc(1, sizeof(*c));

	*ret = c;
	if (!c)
		return -ENOMEM;
	c->sock = -1;
	c->timeout_ms = RSSB_DEFAULT_TIMEOUT_MS;

	return connection_open(c, path ? path : default_path());
}

struct rssb *rssb_close(struct rssb *c)
{
	if (c)
		fd_closep(&c->sock);
	free(c);
	return NULL;
}

void rssb_set_timeout(struct rssb *c, int timeout_ms)
{
	c->timeout_ms = timeout_ms;
}

const char *rssb_reason(const struct rssb *c)
{
	return c->reason;
}

uint32_t rssb_retry_ms(const struct rssb *c)
{
	return c->retry_ms;
}

int rssb_info(struct rssb *c, struct rssb_info *ret)
{
	union rssb_request request = { .header.op = RSSB_OP_INFO };
	union rssb_reply_any reply;
	int r = connection_ask(c, &request, &reply);

	if (r)
		return r;
	if (reply.info.n_objects > OBJECTS_MAX)
		return connection_fail(c, -EPROTO, "the broker says that it has %u objects",
				       reply.info.n_objects);
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->version, reply.info.version, sizeof(ret->version) - 1);
	ret->n_objects = reply.info.n_objects;
	ret->queues_max = reply.info.queues_max;
	ret->table_max = reply.info.table_max;
	ret->ops = reply.info.ops;
	ret->kinds = reply.info.kinds;
	return 0;
}

static void status_fill(struct rssb_broker_status *ret, const struct rssb_reply_status *reply)
{
	_Static_assert(sizeof(ret->requests) == sizeof(reply->requests), "the same counters");
	_Static_assert(sizeof(ret->refusals) == sizeof(reply->refusals), "the same counters");
	_Static_assert(sizeof(ret->latency) == sizeof(reply->latency), "the same bins");

	ret->uptime_ms = reply->uptime_ms;
	ret->connections = reply->connections;
	ret->grants = reply->grants;
	ret->all = reply->all;
	ret->ready = reply->ready;
	ret->memory_used = reply->memory_used;
	ret->memory_limit = reply->memory_limit;
	ret->loads = reply->loads;
	ret->load_failures = reply->load_failures;
	memcpy(ret->requests, reply->requests, sizeof(ret->requests));
	memcpy(ret->refusals, reply->refusals, sizeof(ret->refusals));
	memcpy(ret->latency, reply->latency, sizeof(ret->latency));
	ret->latency_sum_ns = reply->latency_sum_ns;
}

int rssb_status(struct rssb *c, struct rssb_broker_status *ret)
{
	union rssb_request request = { .header.op = RSSB_OP_STATUS };
	union rssb_reply_any reply;
	int r = connection_ask(c, &request, &reply);

	if (!r)
		status_fill(ret, &reply.status);
	return r;
}

static void grant_fill(struct rssb_grant_info *ret, const struct rssb_reply_grant *reply)
{
	ret->id = reply->id;
	ret->age_ms = reply->age_ms;
	ret->uid = reply->uid;
	ret->pid = reply->pid;
	ret->kind = (enum rssb_grant_kind)reply->kind;
	ret->counts = reply->flags & RSSB_ACQUIRE_STATS;
	ret->kept = reply->flags & RSSB_ACQUIRE_KEEP;
	ret->queues = reply->queues;
	ret->table_len = reply->table_len;
	ret->hash_types = reply->hash_types;
	memcpy(ret->label, reply->label, sizeof(reply->label));
	ret->label[sizeof(reply->label)] = '\0';
	memcpy(ret->object_id, reply->object_id, sizeof(ret->object_id));
}

int rssb_next_grant(struct rssb *c, uint64_t after, struct rssb_grant_info *ret)
{
	union rssb_request request = { .header.op = RSSB_OP_GRANT };
	union rssb_reply_any reply;
	int r;

	request.grant.after = after;
	r = connection_ask(c, &request, &reply);
	if (r)
		return r;
	if (!reply.grant.id)
		return connection_fail(c, -ENOENT, "no grant of yours has a higher id");
	/* Whoever asks for one grant after the other would never come to an end. */
	if (reply.grant.id <= after)
		return connection_fail(c, -EPROTO, "the broker listed the same grant twice");
	grant_fill(ret, &reply.grant);
	return 0;
}

static void object_fill(struct rssb_object *ret, const struct rssb_reply_object *reply)
{
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->id, reply->id, sizeof(ret->id));
	memcpy(ret->name, reply->name, sizeof(ret->name) - 1);
	ret->size = reply->size;
	ret->abi = reply->abi;
}

int rssb_object(struct rssb *c, uint32_t index, struct rssb_object *ret)
{
	union rssb_request request = { .header.op = RSSB_OP_OBJECT };
	union rssb_reply_any reply;
	int r;

	request.object.index = index;
	r = connection_ask(c, &request, &reply);
	if (!r)
		object_fill(ret, &reply.object);
	return r;
}

int rssb_release(struct rssb *c, uint64_t id, const char *label)
{
	union rssb_request request = { .header.op = RSSB_OP_RELEASE };
	union rssb_reply_any reply;
	int r = fill_grant(c, &request.release.grant, id, label);

	return r ? r : connection_ask(c, &request, &reply);
}

int rssb_update(struct rssb *c, uint64_t id, const char *label,
		const struct rssb_steering *steering)
{
	union rssb_request request = { .header.op = RSSB_OP_UPDATE };
	union rssb_reply_any reply;
	int r = fill_grant(c, &request.update.grant, id, label);

	if (!r)
		r = fill_steering(c, &request.update.steering, steering, true);
	if (!r)
		r = connection_ask(c, &request, &reply);
	explicit_bzero(&request, sizeof(request)); /* the key */
	return r;
}

static void moves_fill(struct rssb_request_move *ret, const struct rssb_move *moves, size_t n)
{
	ret->n = (uint16_t)n;
	for (size_t i = 0; i < n; i++) {
		ret->move[i].entry = moves[i].entry;
		ret->move[i].from = moves[i].from;
		ret->move[i].to = moves[i].to;
	}
}

/*
 * Whether all queues are below the number of queues and the table fits: callers use them as
 * indexes.
 */
static bool table_right(const struct rssb_reply_move *reply)
{
	if (reply->queues > RSSB_QUEUES_MAX || reply->table_len > RSSB_TABLE_MAX)
		return false;
	for (size_t i = 0; i < RSSB_TABLE_MAX; i++)
		if (reply->table[i] >= (i < reply->table_len ? reply->queues : 1))
			return false;
	return true;
}

int rssb_move(struct rssb *c, uint64_t id, const char *label, const struct rssb_move *moves,
	      size_t n, struct rssb_table *ret_table)
{
	union rssb_request request = { .header.op = RSSB_OP_MOVE };
	union rssb_reply_any reply;
	int err = fill_grant(c, &request.move.grant, id, label);

	if (!err && n > RSSB_MOVES_MAX)
		err = connection_fail(c, -EINVAL, "%zu entries to move, at most %u move at once", n,
				      RSSB_MOVES_MAX);
	if (err)
		return err;
	moves_fill(&request.move, moves, n);
	err = connection_ask(c, &request, &reply);
	if (err)
		return err;
	if (!table_right(&reply.move))
		return connection_fail(
			c, -EPROTO,
			"the broker's reply has no table: a queue or an entry is out "
			"of range");
	ret_table->grant_id = reply.move.grant_id;
	ret_table->queues = reply.move.queues;
	ret_table->len = reply.move.table_len;
	memcpy(ret_table->queue, reply.move.table, sizeof(ret_table->queue));
	return 0;
}

static void counters_fill(struct rssb_counter *ret, const struct rssb_count *counts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = (struct rssb_counter){ counts[i].packets, counts[i].bytes };
}

static void stats_fill(struct rssb_stats *ret, const struct rssb_reply_stats *reply)
{
	ret->grant_id = reply->grant_id;
	ret->time_ns = reply->time_ns;
	ret->hash_types = reply->hash_types;
	ret->queues = reply->queues;
	ret->table_len = reply->table_len;
	memcpy(ret->hashed, reply->hashed, sizeof(ret->hashed));
	memcpy(ret->fallback, reply->fallback, sizeof(ret->fallback));
	counters_fill(ret->queue, reply->queue, RSSB_QUEUES_MAX);
	counters_fill(ret->entry, reply->entry, RSSB_TABLE_MAX);
}

int rssb_stats(struct rssb *c, uint64_t id, const char *label, struct rssb_stats *ret)
{
	union rssb_request request = { .header.op = RSSB_OP_STATS };
	union rssb_reply_any reply;
	int r = fill_grant(c, &request.stats.grant, id, label);

	if (!r)
		r = connection_ask(c, &request, &reply);
	if (r)
		return r;
	if (reply.stats.queues > RSSB_QUEUES_MAX || reply.stats.table_len > RSSB_TABLE_MAX)
		return connection_fail(c, -EPROTO,
				       "the broker's reply has too many queues or table entries");
	stats_fill(ret, &reply.stats);
	return 0;
}

/*
 * Whether an fd is an object of that size.  Whoever could shorten it would end a process that maps
 * it; and to close what is no memfd may take as long as its owner chose.
 */
static bool is_object(int fd, uint32_t size)
{
	const int sealed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	const int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	return seals >= 0 && (seals & sealed) == sealed && size <= OBJECT_SIZE_MAX &&
	       !fstat(fd, &st) && st.st_size == (off_t)size;
}

int rssb_export(struct rssb *c, const uint8_t *object_id, int *ret_fd,
		struct rssb_object *ret_object)
{
	union rssb_request request = { .header.op = RSSB_OP_EXPORT };
	union rssb_reply_any reply;
	struct packet p;
	int r;

	fill_object(&request.export.object, object_id);
	r = connection_exchange(c, &request, &reply, &p);
	if (r)
		return r;
	if (p.n_fds != 1 || reply.base.roles[0] != RSSB_ROLE_ELF) {
		connection_refuse_fds(&p);
		return connection_fail(c, -EPROTO, "the broker sent other fds than were asked for");
	}
	if (object_id && memcmp(reply.object.id, object_id, sizeof(reply.object.id)) != 0) {
		connection_refuse_fds(&p);
		return connection_fail(c, -EPROTO, "the broker sent another object than that");
	}
	if (!is_object(p.fds[0], reply.object.size)) {
		connection_refuse_fds(&p);
		return connection_fail(c, -EPROTO,
				       "the broker sent an fd that is not a sealed memfd of the "
				       "object's size, at most %u bytes",
				       OBJECT_SIZE_MAX);
	}

	*ret_fd = fd_take(&p.fds[0]);
	if (ret_object)
		object_fill(ret_object, &reply.object);
	return 0;
}

void rssb_fds_close(struct rssb_fds *fds)
{
	fd_close_at_once(&fds->prog);
	fd_close_at_once(&fds->config);
	fd_close_at_once(&fds->key);
	fd_close_at_once(&fds->table);
	fd_close_at_once(&fds->lease);
}
