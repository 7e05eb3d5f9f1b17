/* SPDX-License-Identifier: MIT */
/* The operations: what each request does, and what its reply carries. */
#pragma once

#include "broker/common/object_list.h"
#include "broker/front/counters.h"
#include "broker/front/grant.h"
#include "broker/front/memory.h"
#include "broker/front/pool.h"
#include "proto/codec.h"

/* What the operations work on. */
struct service {
	struct objects objects;
	struct pool pool;
	struct grants grants;
	struct accounts accounts;
	struct memory memory;
	struct counters counters;
	uint64_t started_ms;
	uint64_t now_ms; /* CLOCK_MONOTONIC, once a turn of the loop */
};

/*
 * A reply that is ready to be sent.  Owns its fds; outcome_done() closes them,
 * whether they were sent (the client has its own copies then) or not.
 */
struct outcome {
	union rssb_reply_any reply; /* tag, op and length are the sender's */
	struct set set;		    /* ACQUIRE: what is handed over */
	struct grant *grant;	    /* ACQUIRE: the new grant, NULL if there is none */
	int elf;		    /* EXPORT */
	unsigned object;	    /* -EAGAIN: the object that is not ready */
};

/* One request, while its operation is performed. */
struct call {
	struct service *s;
	struct account *account;
	const union rssb_request *request;
	struct grant *grant; /* the one that the request names; NULL: the operation is of none */
	struct outcome *ret;
	struct rssb_refusal why; /* of -EINVAL, which is a refusal */
};

/* The outcome of an operation, known or not, that has none yet. */
void outcome_init(struct outcome *ret, unsigned op);

/*
 * Carries out a decoded request of an account that the policy allows.  0 with a
 * reply, be it a refusal; -EAGAIN: the pool has no set of ret->object now.
 */
int operation_perform(struct service *s, struct account *account, const union rssb_request *request,
		      struct outcome *ret);

/* Ends a grant, and discharges its account. */
void service_end_grant(struct service *s, struct grant *grant);

/* Makes *ret a refusal. */
void outcome_refuse(struct outcome *ret, const struct rssb_refusal *why);

/* Lists the fds that belong to the reply, here and, by their roles, in the reply.  Returns how
 * many; they stay o's. */
size_t outcome_fds(struct outcome *o, int ret[RSSB_FDS_MAX]);

void outcome_done(struct outcome *o);
