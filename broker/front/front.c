/* SPDX-License-Identifier: MIT */
/*
 * What the front polls, and how sessions, leases and the pool come and go.  Must
 * never block: a connection that could is the closer's to close.
 */
#include "broker/front/front.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "broker/common/log.h"
#include "proto/packet.h"
#include "proto/util/fd.h"

#define RESTOCK_DELAY_MS 5   /* after a grant, when its handover ends */
#define RESTOCK_RETRY_MS 100 /* after the loader could not be asked */
#define DRAINED_MAX	 4
#define LEASES_DELAY_MS	 1000 /* after one that could not be polled */

int front_watch(struct front *f, int op, int fd, uint32_t events, uint64_t tag)
{
	struct epoll_event e = { .events = events, .data.u64 = tag };

	/* #syscalls:front epoll_ctl */
	return epoll_ctl(f->epoll, op, fd, &e) ? -errno : 0;
}

/*
 * A failure ends the service, to be restarted: the front would wait for the wrong events. -ENOENT
 * is none: a session whose first request is being answered is not polled yet.
 */
static void rewatch(struct front *f, int op, int fd, uint32_t events, uint64_t tag)
{
	int err = front_watch(f, op, fd, events, tag);

	if (err && err != -ENOENT)
		f->failure = log_error(err, "cannot change what epoll watches");
}

/* --- sessions ------------------------------------------------------------- */

uint64_t front_session_tag(const struct front *f, const struct session *session)
{
	return event_tag(SOURCE_SESSION, session->generation,
			 (uint32_t)(session - f->sessions.list));
}

static uint32_t session_events(bool requests)
{
	return requests ? EPOLLIN | EPOLLRDHUP : 0;
}

int front_add_session(struct front *f, const struct session *session)
{
	return front_watch(f, EPOLL_CTL_ADD, session->fd,
			   session_events(session->state != SESSION_WAITING),
			   front_session_tag(f, session));
}

void front_watch_session(struct front *f, const struct session *session, bool requests)
{
	rewatch(f, EPOLL_CTL_MOD, session->fd, session_events(requests),
		front_session_tag(f, session));
}

void front_accept(struct front *f)
{
	if (!f->accepting)
		rewatch(f, EPOLL_CTL_MOD, f->listener, EPOLLIN, event_tag(SOURCE_LISTENER, 0, 0));
	f->accepting = true;
	f->accept_at_ms = 0;
}

void front_pause_accepting(struct front *f, uint64_t until_ms)
{
	if (f->accepting)
		rewatch(f, EPOLL_CTL_MOD, f->listener, 0, event_tag(SOURCE_LISTENER, 0, 0));
	f->accepting = false;
	f->accept_at_ms = until_ms;
}

static void close_session(struct front *f, struct session *session)
{
	if (session->account)
		account_remove_session(&f->service.accounts, session->account);
	session_end(&f->sessions, session);
	front_accept(f);
}

/*
 * Whether closing it cannot block: no fd lies unread in it, and none can come any more. Looks at a
 * few packets; a connection with more of them is left to the closer.
 */
static bool session_is_drained(const struct session *session)
{
	/* #syscalls:front shutdown */
	if (shutdown(session->fd, SHUT_RD))
		return false;
	for (int i = 0; i < DRAINED_MAX; i++) {
		struct packet p;

		switch (packet_peek(session->fd)) {
		case PACKET_PLAIN:
			packet_recv(session->fd, &p);
			explicit_bzero(p.data, p.len);
			break;
		case PACKET_END:
			return true;
		default:
			return false;
		}
	}
	return false;
}

/*
 * Passes *fd to the closer and drops the front's copy, which is never the last.  -EAGAIN: the
 * closer is busy with as many as it can hold, *fd is still the caller's.
 */
static int closer_take(int closer, int *fd)
{
	static const char nothing = 0; /* an empty packet would read as EOF */
	int err = packet_send(closer, &nothing, sizeof(nothing), fd, 1);

	/* Too many fds in flight, or no room in the socket: both pass. */
	if (err == -EAGAIN || err == -ETOOMANYREFS || err == -ENOBUFS || err == -ENOMEM)
		return -EAGAIN;
	fd_closep(fd);
	/* The closer closes its copy at the next packet: at a later one if this finds no room. */
	if (!err)
		packet_send(closer, &nothing, sizeof(nothing), NULL, 0);
	return err;
}

void front_end_session(struct front *f, struct session *session)
{
	if (!session->guarded || session_is_drained(session)) {
		close_session(f, session);
		return;
	}
	/* Else epoll would go on polling it for the closer's copy. */
	rewatch(f, EPOLL_CTL_DEL, session->fd, 0, 0);
	if (closer_take(f->closer, &session->fd) != -EAGAIN)
		close_session(f, session);
	else if (session->state != SESSION_CLOSING)
		session_set_closing(&f->sessions, session); /* it still counts for its account */
}

/* If the closer is busy for one session, it is for the others. */
void front_close_again(struct front *f)
{
	uint32_t before = f->sessions.n_closing + 1;

	for (uint32_t i = 0;
	     i < SESSIONS_MAX && f->sessions.n_closing && f->sessions.n_closing < before; i++) {
		if (f->sessions.list[i].state != SESSION_CLOSING)
			continue;
		before = f->sessions.n_closing;
		front_end_session(f, &f->sessions.list[i]);
	}
}

/* --- grants and the pool --------------------------------------------------- */

uint64_t front_lease_tag(const struct front *f, const struct grant *grant)
{
	return event_tag(SOURCE_LEASE, (uint32_t)grant->id, grant_index(&f->service.grants, grant));
}

/* A pipe's write end reports EPOLLERR when the last reader is gone. */
void front_watch_lease(struct front *f, struct grant *grant)
{
	grant->watched = grant->maps.lease_write < 0 ||
			 !front_watch(f, EPOLL_CTL_ADD, grant->maps.lease_write, 0,
				      front_lease_tag(f, grant));
	if (!grant->watched)
		f->watch_leases_at_ms = f->service.now_ms + LEASES_DELAY_MS;
}

void front_watch_leases(struct front *f)
{
	f->watch_leases_at_ms = 0;
	for (uint32_t i = 0; i < GRANTS_MAX; i++) {
		struct grant *it = &f->service.grants.list[i];

		if (it->id && !it->watched)
			front_watch_lease(f, it);
	}
}

void front_finish_handover(struct front *f)
{
	handover_finish(&f->handover, &f->service.objects);
}

void front_restock(struct front *f, unsigned object)
{
	if (f->loader_rests ||
	    !pool_restock(&f->service.pool, object, sessions_waiting(&f->sessions, object)))
		return;
	/* No answer of the loader may be under way, and so nothing else would ask it again. */
	if (!f->restock_at_ms)
		f->restock_at_ms = f->service.now_ms + RESTOCK_RETRY_MS;
}

/*
 * The loader would take the CPU from the client that was just served: it waits while enough sets
 * are ready.
 */
void front_restock_soon(struct front *f, unsigned object)
{
	if (pool_is_low(&f->service.pool, object))
		front_restock(f, object);
	else if (!f->restock_at_ms)
		f->restock_at_ms = f->service.now_ms + RESTOCK_DELAY_MS;
}
