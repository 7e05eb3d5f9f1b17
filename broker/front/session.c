/* SPDX-License-Identifier: MIT */
/* The table of connections.  Must never allocate, and never look into a message. */
#include "broker/front/session.h"

#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "proto/util/fd.h"

#define NO_SLOT UINT32_MAX

/*
 * Visits the open sessions and stops after the last of them. The slot that was freed last is used
 * first, so they lie at the front.
 */
#define FOR_EACH_OPEN(it, s)                                                                       \
	for (uint32_t i_ = 0, left_ = (s)->n_open; left_ && ((it) = &(s)->list[i_], true); i_++)   \
		if ((it)->state != SESSION_FREE && left_--)

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
	new->state = SESSION_NEW;
	new->deadline_ms = 0;
	new->account = NULL;
	new->allowed = false;
	new->guarded = true;
	new->peer = PEER_UNKNOWN;
	return new;
}

void session_wait(struct sessions *s, struct session *session, const union rssb_request *request,
		  unsigned object, uint64_t deadline_ms)
{
	session->state = SESSION_WAITING;
	session->request = *request;
	session->object = object;
	session_set_deadline(s, session, deadline_ms);
	s->n_waiting++;
}

void session_resume(struct sessions *s, struct session *session)
{
	session->state = SESSION_IDLE;
	session->deadline_ms = 0;
	/* The request holds a Toeplitz key. */
	explicit_bzero(&session->request, sizeof(session->request));
	s->n_waiting--;
}

void session_end(struct sessions *s, struct session *session)
{
	if (session->state == SESSION_WAITING)
		session_resume(s, session);
	if (session->state == SESSION_CLOSING)
		s->n_closing--;
	fd_closep(&session->fd);
	session->state = SESSION_FREE;
	session->next_free = s->first_free;
	s->first_free = (uint32_t)(session - s->list);
	s->n_open--;
}

void session_set_closing(struct sessions *s, struct session *session)
{
	if (session->state == SESSION_WAITING)
		session_resume(s, session);
	session->state = SESSION_CLOSING;
	session->deadline_ms = 0;
	s->n_closing++;
}

void session_set_deadline(struct sessions *s, struct session *session, uint64_t deadline_ms)
{
	session->deadline_ms = deadline_ms;
	if (deadline_ms && (!s->next_deadline_ms || deadline_ms < s->next_deadline_ms))
		s->next_deadline_ms = deadline_ms;
}

/* Clearing a deadline leaves next_deadline_ms as it was: that costs one needless walk. */
struct session *session_overdue(struct sessions *s, uint64_t now_ms)
{
	struct session *it;
	uint64_t next = 0;

	if (!s->next_deadline_ms || s->next_deadline_ms > now_ms)
		return NULL;
	FOR_EACH_OPEN (it, s) {
		if (!it->deadline_ms)
			continue;
		if (it->deadline_ms <= now_ms)
			return it;
		if (!next || it->deadline_ms < next)
			next = it->deadline_ms;
	}
	s->next_deadline_ms = next;
	return NULL;
}

bool session_reply_unread(struct session *session)
{
	int bytes = 0;

	if (session->state != SESSION_REPLIED || session->reply_read)
		return false;
	/* #syscalls:front ioctl */
	session->reply_read = ioctl(session->fd, SIOCOUTQ, &bytes) || bytes == 0;
	return !session->reply_read;
}

unsigned sessions_denied(const struct sessions *s)
{
	const struct session *it;
	unsigned n = 0;

	FOR_EACH_OPEN (it, s)
		n += !it->allowed;
	return n;
}

unsigned sessions_unread(struct sessions *s, const struct account *account, unsigned most)
{
	struct session *it;
	unsigned n = 0;

	FOR_EACH_OPEN (it, s) {
		if (n == most)
			break;
		n += it->account == account && session_reply_unread(it);
	}
	return n;
}

static bool session_waits_for(const struct session *session, unsigned object)
{
	return session->state == SESSION_WAITING && session->object == object;
}

struct session *session_first_waiting(struct sessions *s, unsigned object,
				      const struct accounts *accounts, uint64_t now_ms)
{
	struct session *it, *first = NULL;
	unsigned fewest = 0, recent;

	if (!s->n_waiting)
		return NULL;
	FOR_EACH_OPEN (it, s) {
		if (!session_waits_for(it, object))
			continue;
		recent = account_recent(accounts, it->account, now_ms);
		if (first && (recent > fewest ||
			      (recent == fewest && it->deadline_ms >= first->deadline_ms)))
			continue;
		first = it;
		fewest = recent;
	}
	return first;
}

unsigned sessions_waiting(const struct sessions *s, unsigned object)
{
	const struct session *it;
	unsigned n = 0;

	if (!s->n_waiting)
		return 0;
	FOR_EACH_OPEN (it, s)
		n += session_waits_for(it, object);
	return n;
}
