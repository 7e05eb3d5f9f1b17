/* SPDX-License-Identifier: MIT */
/*
 * The front: all of its state, and what it polls.  The process has no capability
 * and no bpf(2); it never blocks and, once it runs, never allocates.
 */
#pragma once

#include "broker/common/watchdog.h"
#include "broker/front/handover.h"
#include "broker/front/loader_link.h"
#include "broker/front/operations.h"
#include "broker/front/policy.h"
#include "broker/front/session.h"

#define BROKER_GROUP "rss-broker" /* its members may make requests by default */

/* What the command line decides for the front. */
struct front_settings {
	struct policy policy; /* who was allowed by option */
	unsigned pool;	      /* ready sets of the first object */
	struct limits limits;
};

struct front {
	int epoll, listener, signals;
	const struct loader_link *loader;
	struct policy policy;
	struct service service;
	struct sessions sessions;
	int closer; /* the line to the closer, which closes what may block; -1: there is none */
	struct handover handover;
	struct watchdog watchdog;
	bool accepting; /* the listener is polled */
	struct repeats accept_failures, peers_unknown;
	uint64_t accept_at_ms;	     /* when to poll it again; 0: when a session ends */
	bool stopping;		     /* SIGTERM or SIGINT came */
	bool loader_rests;	     /* after a failure, until restock_at_ms */
	uint64_t restock_at_ms;	     /* 0: nothing is put off */
	uint64_t watch_leases_at_ms; /* 0: all are polled */
	int failure;		     /* -errno: the service has to end */
};

/* Where an event comes from; the tag also tells a late event of a slot's former user apart. */
enum source {
	SOURCE_LISTENER,
	SOURCE_SIGNALS,
	SOURCE_LOADER,
	SOURCE_SESSION,
	SOURCE_LEASE,
	SOURCE_CLOSER
};

static inline uint64_t event_tag(enum source source, uint32_t generation, uint32_t index)
{
	return (uint64_t)source << 56 | (uint64_t)(generation & 0xffffff) << 32 | index;
}

uint64_t front_session_tag(const struct front *f, const struct session *session);
uint64_t front_lease_tag(const struct front *f, const struct grant *grant);

/* epoll_ctl(2) on what the front polls.  0 or -errno. */
int front_watch(struct front *f, int op, int fd, uint32_t events, uint64_t tag);

/* Polls the listener; or not, until a time or (0) until a session ends. */
void front_accept(struct front *f);
void front_pause_accepting(struct front *f, uint64_t until_ms);

/* Polls the lease of a new grant; where that fails, once more later: all that are not polled. */
void front_watch_lease(struct front *f, struct grant *grant);
void front_watch_leases(struct front *f);

/* Polls a new session.  0 or -errno. */
int front_add_session(struct front *f, const struct session *session);

/* Polls a session for requests (or only for its end, while it waits). */
void front_watch_session(struct front *f, const struct session *session, bool requests);

/* Does what is left to do for the last set that was handed over. */
void front_finish_handover(struct front *f);

/* Ends a session, and lets the listener go on if it had to pause. */
void front_end_session(struct front *f, struct session *session);

/* Ends sessions for which the closer was busy. */
void front_close_again(struct front *f);

/* Restocks what a session waits for; or, a little later, what one took. */
void front_restock(struct front *f, unsigned object);
void front_restock_soon(struct front *f, unsigned object);
