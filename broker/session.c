/* SPDX-License-Identifier: MIT */
/* The table of connections.  Must never allocate, and never look into a message. */
#include "session.h"

#include <string.h>

#include "fd.h"

#define NO_SLOT UINT32_MAX

void sessions_init(struct sessions *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
		ret->list[i].fd = -1;
		ret->list[i].next_free = i + 1 < SESSIONS_MAX ? i + 1 : NO_SLOT;
	}
}

struct session *session_new(struct sessions *s, int *fd)
{
	struct session *new;

	if (s->first_free == NO_SLOT)
		return NULL;
	new = &s->list[s->first_free];
	s->first_free = new->next_free;
	s->n_open++;
	new->fd = fd_take(fd);
	new->generation++;
	new->state = SESSION_READING;
	new->allowed = false;
	new->peer = (struct peer)PEER_UNKNOWN;
	return new;
}

void session_wait(struct sessions *s, struct session *session, const union rssb_request *request,
		  unsigned object, uint64_t deadline_ms)
{
	session->state = SESSION_WAITING;
	session->request = *request;
	session->object = object;
	session->deadline_ms = deadline_ms;
	s->n_waiting++;
}

void session_resume(struct sessions *s, struct session *session)
{
	session->state = SESSION_READING;
	/* The request holds a Toeplitz key. */
	explicit_bzero(&session->request, sizeof(session->request));
	s->n_waiting--;
}

void session_end(struct sessions *s, struct session *session)
{
	if (session->state == SESSION_WAITING)
		session_resume(s, session);
	fd_closep(&session->fd);
	session->state = SESSION_FREE;
	session->next_free = s->first_free;
	s->first_free = (uint32_t)(session - s->list);
	s->n_open--;
}

static bool session_waits_for(const struct session *session, unsigned object)
{
	return session->state == SESSION_WAITING &&
	       (object == OBJECT_ANY || session->object == object);
}

struct session *session_first_waiting(struct sessions *s, unsigned object)
{
	struct session *first = NULL;

	for (uint32_t i = 0; s->n_waiting && i < SESSIONS_MAX; i++) {
		struct session *it = &s->list[i];

		if (session_waits_for(it, object) &&
		    (!first || it->deadline_ms < first->deadline_ms))
			first = it;
	}
	return first;
}

unsigned sessions_waiting(const struct sessions *s, unsigned object)
{
	unsigned n = 0;

	for (uint32_t i = 0; s->n_waiting && i < SESSIONS_MAX; i++)
		n += session_waits_for(&s->list[i], object);
	return n;
}
