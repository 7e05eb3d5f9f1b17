/* SPDX-License-Identifier: MIT */
/*
 * The front: the loop that listens, reads, answers.  It has no capability and
 * no bpf(2); it never blocks and, once it runs, never allocates.
 */
#pragma once

#include "activation.h"
#include "closer.h"
#include "loader.h"
#include "options.h"
#include "policy.h"
#include "request.h"
#include "session.h"

struct front {
	int epoll, listener, signals;
	const struct loader *loader;
	struct policy policy;
	struct service service;
	struct sessions sessions;
	struct closer closer;
	const struct activation *manager; /* the service manager */
	uint64_t watchdog_at_ms;	  /* when to tell it that we live; 0: never */
	bool accepting;			  /* the listener is polled */
	uint64_t accept_at_ms;		  /* when to poll it again; 0: when a session ends */
	bool stopping;			  /* SIGTERM or SIGINT came */
	bool loader_rests;		  /* after a failure, until restock_at_ms */
	uint64_t restock_at_ms;		  /* 0: nothing is put off */
};

/*
 * Takes *listener; borrows the loader.  Waits until the pool is full.  There is
 * no front_done(): the front lives as long as its process.
 */
int front_init(struct front *ret, int *listener, const struct loader *loader,
	       const struct options *options, const struct objects *objects);

/* Tells the service manager that it is ready; then serves until SIGTERM or SIGINT (0) or until the
 * loader is gone (-errno, logged). */
int front_run(struct front *f, const struct activation *manager);

/* --- for conversation.c ------------------------------------------------------ */

/* Polls the lease of a new grant. */
void front_watch_lease(struct front *f, const struct grant *grant);

/* Polls a session for requests (or only for its end, while it waits). */
void front_watch_session(struct front *f, const struct session *session, bool requests);

/*
 * Ends a session, and lets the listener go on if it had to pause.  at_eof: its
 * peer has closed, and all that it sent was read.
 */
void front_end_session(struct front *f, struct session *session);
void front_end_session_at_eof(struct front *f, struct session *session);

/* Restocks what a session waits for; or, a little later, what one took. */
void front_restock(struct front *f, unsigned object);
void front_restock_soon(struct front *f, unsigned object);
