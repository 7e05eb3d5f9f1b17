/* SPDX-License-Identifier: MIT */
/*
 * One connection: its peer, and the request that waits for a set.
 *
 *   state      may receive   may send   ends by
 *   READING    yes           no         peer's EOF, a malformed request
 *   WAITING    no            reply      a set, the deadline (then READING)
 *
 * A reply is sent at once or the session is closed: none is ever queued here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codec.h"
#include "policy.h"

#define SESSIONS_MAX 512

enum session_state {
	SESSION_FREE,
	SESSION_READING,
	SESSION_WAITING,
};

struct session {
	int fd;
	uint32_t generation; /* tells a late event of the slot's former user apart */
	enum session_state state;
	bool allowed; /* the policy was asked, and said yes */
	struct peer peer;
	unsigned object;	    /* WAITING: what for */
	uint64_t deadline_ms;	    /* WAITING: until when */
	union rssb_request request; /* WAITING: the ACQUIRE itself */
	uint32_t next_free;
};

struct sessions {
	uint32_t n_open;
	uint32_t n_waiting;
	uint32_t first_free;
	struct session list[SESSIONS_MAX];
};

void sessions_init(struct sessions *ret);

/* Takes *fd.  NULL: all SESSIONS_MAX are in use, and *fd stays the caller's. */
struct session *session_new(struct sessions *s, int *fd);

/* Lets a session wait for an object until deadline_ms; session_resume() ends that. */
void session_wait(struct sessions *s, struct session *session, const union rssb_request *request,
		  unsigned object, uint64_t deadline_ms);
void session_resume(struct sessions *s, struct session *session);

/* Closes the connection and frees the slot. */
void session_end(struct sessions *s, struct session *session);

/* The session that waits longest, for an object or (OBJECT_ANY) for any.  NULL: none. */
#define OBJECT_ANY UINT32_MAX
struct session *session_first_waiting(struct sessions *s, unsigned object);

/* How many wait for an object. */
unsigned sessions_waiting(const struct sessions *s, unsigned object);
