/* SPDX-License-Identifier: MIT */
/* STATUS and GRANT.  Must never tell one account of another, but root of all. */
#include "broker/front/op_status.h"

#include <string.h>

static bool hears_all(const struct account *account)
{
	return account->uid == 0;
}

static void report_all(struct service *s, struct rssb_reply_status *ret)
{
	const struct counters *c = &s->counters;

	ret->all = 1;
	ret->connections = s->accounts.n_sessions;
	ret->grants = s->accounts.n_grants;
	ret->ready = pool_ready(&s->pool);
	memory_read(&s->memory, s->now_ms);
	ret->memory_used = s->memory.used;
	ret->memory_limit = s->memory.limit;
	ret->loads = c->loads;
	ret->load_failures = c->load_failures;
	memcpy(ret->requests, c->requests, sizeof(ret->requests));
	memcpy(ret->refusals, c->refusals, sizeof(ret->refusals));
	memcpy(ret->latency, c->latency, sizeof(ret->latency));
	ret->latency_sum_ns = c->latency_sum_ns;
}

int op_status(struct call *c)
{
	struct rssb_reply_status *status = &c->ret->reply.status;

	status->uptime_ms = c->s->now_ms - c->s->started_ms;
	status->connections = c->account->n_sessions;
	status->grants = c->account->n_grants;
	if (hears_all(c->account))
		report_all(c->s, status);
	return 0;
}

/* The grant with the lowest id above a given one that an account may hear of. */
static const struct grant *grant_after(const struct grants *g, uint64_t after,
				       const struct account *account)
{
	const struct grant *next = NULL;

	for (uint32_t i = 0; i < GRANTS_MAX; i++) {
		const struct grant *it = &g->list[i];

		if (it->id > after && (!next || it->id < next->id) &&
		    (it->account == account || hears_all(account)))
			next = it;
	}
	return next;
}

int op_grant(struct call *c)
{
	const struct service *s = c->s;
	const struct grant *grant = grant_after(&s->grants, c->request->grant.after, c->account);
	struct rssb_reply_grant *reply = &c->ret->reply.grant;

	if (!grant)
		return 0; /* id 0: the walk is over */
	reply->id = grant->id;
	reply->age_ms = s->now_ms - grant->made_ms;
	reply->uid = grant->account->uid;
	reply->pid = (uint32_t)grant->pid;
	reply->kind = grant->kind;
	reply->flags = grant->flags;
	reply->queues = grant->queues;
	reply->table_len = grant->table_len;
	reply->hash_types = grant->hash_types;
	memcpy(reply->label, grant->label, sizeof(reply->label));
	memcpy(reply->object_id, s->objects.list[grant->object].id, sizeof(reply->object_id));
	return 0;
}
