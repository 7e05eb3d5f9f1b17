/* SPDX-License-Identifier: MIT */
/*
 * The front: the loop that listens, reads, answers.  It has no capability and
 * no bpf(2); it never blocks and, once it runs, never allocates.
 */
#pragma once

#include "loader.h"
#include "policy.h"
#include "request.h"
#include "session.h"

struct front {
	int epoll, listener, signals;
	const struct loader *loader;
	struct policy policy;
	struct service service;
	struct sessions sessions;
	bool accepting;		/* the listener is polled */
	uint64_t accept_at_ms;	/* not accepting: when to try again */
	bool stopping;		/* SIGTERM or SIGINT came */
	uint64_t now_ms;	/* CLOCK_MONOTONIC, once a turn of the loop */
	bool loader_rests;	/* after a failure, until restock_at_ms */
	uint64_t restock_at_ms; /* 0: nothing is put off */
};

/*
 * Takes *listener; borrows the loader.  Waits until the pool is full.  There is
 * no front_done(): the front lives as long as its process.
 */
int front_init(struct front *ret, int *listener, const struct loader *loader,
	       const struct policy *policy, const struct objects *objects, unsigned pool);

/* Serves until SIGTERM or SIGINT (0) or until the loader is gone (-errno, logged). */
int front_run(struct front *f);

/* --- for conversation.c ------------------------------------------------------ */

/* Polls the lease of a new grant. */
void front_watch_lease(struct front *f, const struct grant *grant);

/* Polls a session for requests (or only for its end, while it waits). */
void front_watch_session(struct front *f, const struct session *session, bool requests);

/* Ends a session, and lets the listener go on if it had to pause. */
void front_end_session(struct front *f, struct session *session);

/* Restocks what a session waits for; or, a little later, what one took. */
void front_restock(struct front *f, unsigned object);
void front_restock_soon(struct front *f, unsigned object);
