/* SPDX-License-Identifier: MIT */
/* What the broker tells of itself: rssb_status(), rssb_next_grant(). */
#include <errno.h>
#include <string.h>

#include "client/include/rssb.h"
#include "client/lib/connection.h"

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
