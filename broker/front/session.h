/* SPDX-License-Identifier: MIT */
/*
 * A session is one connection of a client: its peer, and the request that waits for a
 * set.  It ends with the connection.  What it costs is charged to its account
 * (account.h), and what the client got is a grant (grant.h): both outlive the session.
 *
 *   state     polled for   deadline for        ends by
 *   NEW       a request    the first request   it, or the deadline: closed
 *   IDLE      a request    none                EOF, a malformed request: closed
 *   REPLIED   a request    reading the reply   it was read: IDLE; not: closed
 *   WAITING   hang-up      a set               a set, or the deadline: REPLIED
 *   CLOSING   nothing      -                   the closer has room: closed
 *
 * A reply is sent at once or the session is closed: none is ever queued here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "broker/front/account.h"
#include "broker/front/policy.h"
#include "proto/codec.h"

#define SESSIONS_MAX 528 /* the largest --max-connections, and room to refuse more */

enum session_state {
	SESSION_FREE,
	SESSION_NEW,
	SESSION_IDLE,
	SESSION_REPLIED,
	SESSION_WAITING,
	SESSION_CLOSING,
};

struct session {
	int fd;
	uint32_t generation; /* tells a late event of the slot's former user apart */
	enum session_state state;
	bool allowed;	 /* the policy lets this peer make requests */
	bool guarded;	 /* its packets may bring fds, whose close may block */
	bool reply_read; /* REPLIED: the peer has read the last reply */
	struct peer peer;
	struct account *account;
	uint64_t asked_ns;	    /* when the request came that is being answered */
	uint64_t deadline_ms;	    /* 0: none */
	unsigned object;	    /* WAITING: what for */
	union rssb_request request; /* WAITING: the ACQUIRE itself */
	uint32_t next_free;
};

struct sessions {
	uint32_t n_open;
	uint32_t n_waiting;
	uint32_t n_closing;
	uint64_t next_deadline_ms; /* no deadline is earlier; 0: there is none */
	uint32_t first_free;
	struct session list[SESSIONS_MAX];
};

void sessions_init(struct sessions *ret);

/* Takes *fd.  NULL: all SESSIONS_MAX are in use, and *fd stays the caller's. */
struct session *session_new(struct sessions *s, int *fd);

/* Has a session wait for a set of an object until deadline_ms; session_resume() ends the wait. */
void session_wait(struct sessions *s, struct session *session, const union rssb_request *request,
		  unsigned object, uint64_t deadline_ms);
void session_resume(struct sessions *s, struct session *session);

/* Leaves a session to be closed later. */
void session_set_closing(struct sessions *s, struct session *session);

/* Sets or (0) clears a session's deadline. */
void session_set_deadline(struct sessions *s, struct session *session, uint64_t deadline_ms);

/* A session whose deadline is over, or NULL; then next_deadline_ms is exact again. */
struct session *session_overdue(struct sessions *s, uint64_t now_ms);

/* Whether a reply lies in the peer's queue, unread. */
bool session_reply_unread(struct session *session);

/* How many sessions are of peers that the policy does not allow. */
unsigned sessions_denied(const struct sessions *s);

/* How many sessions of an account have one; counts no further than most. */
unsigned sessions_unread(struct sessions *s, const struct account *account, unsigned most);

/* Closes the connection and frees the slot. */
void session_end(struct sessions *s, struct session *session);

/*
 * Of the sessions that wait for an object that of the account with fewest grants of late, and of
 * those the one that waits longest; or NULL.
 */
struct session *session_first_waiting(struct sessions *s, unsigned object,
				      const struct accounts *accounts, uint64_t now_ms);

/* How many wait for an object. */
unsigned sessions_waiting(const struct sessions *s, unsigned object);
