/* SPDX-License-Identifier: MIT */
/* The QMP server's loop: a poll, then a little work for each client that has some. */
#include "client/cli/qmp_server/server.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/qmp_server/peer.h"
#include "client/cli/util/mem.h"
#include "proto/fd.h"

struct place {
	struct qmp_peer *peer;
	int fd; /* of an accepted connection: ours; -1: the fds are borrowed */
	uid_t uid;
	bool worked, over; /* in this round */
};

struct server {
	const struct qmp_listener *listener;
	struct qmp_source *source;
	size_t n;
	size_t turn; /* who comes first in the next round */
	bool tired;  /* out of fds: no accept in the next round, which is soon */
	struct place places[QMP_PEERS_MAX];
	struct pollfd polls[QMP_PEERS_MAX + 1];
};

enum {
	TIRED_MS = 100,
	ANSWERS_OF_A_USER = 4, /* in a round */
};

static volatile sig_atomic_t stopping;

static void on_signal(int signal)
{
	stopping = signal;
}

/* --- clients ------------------------------------------------------------------ */

static void place_add(struct server *s, int in, int out, int *fd, uid_t uid)
{
	s->places[s->n++] = (struct place){
		.peer = qmp_peer_new(in, out, s->source),
		.fd = fd ? fd_take(fd) : -1,
		.uid = uid,
	};
}

static void place_remove(struct server *s, size_t i)
{
	qmp_peer_free(s->places[i].peer);
	fd_closep(&s->places[i].fd);
	s->places[i] = s->places[--s->n];
}

static size_t places_of(const struct server *s, uid_t uid, bool worked)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->places[i].uid == uid && (s->places[i].worked || !worked);
	return n;
}

/* The socket is new: its buffer takes a line. */
static void refuse(int fd)
{
	_cleanup_free_ char *line = qmp_session_error("Too many connections of this user");

	(void)!write(fd, line, strlen(line));
}

static void accept_one(struct server *s)
{
	_cleanup_fd_ int fd = -1;
	uid_t uid;
	int r = qmp_listener_accept(s->listener, &fd, &uid);

	if (r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -ENOBUFS)
		s->tired = true;
	if (r)
		return;
	if (places_of(s, uid, false) < QMP_PEERS_OF_A_USER_MAX)
		place_add(s, fd, fd, &fd, uid);
	else
		refuse(fd);
}

/* --- the loop ------------------------------------------------------------------ */

static bool listening(const struct server *s)
{
	return s->listener->fd >= 0 && s->n < QMP_PEERS_MAX && !s->tired;
}

/* Waits until there is something to do; what is ready is in polls. */
static void wait_for_work(struct server *s, const sigset_t *while_waiting)
{
	static const struct timespec now = { 0 }, later = { .tv_nsec = TIRED_MS * 1000000 };
	const struct timespec *timeout = s->tired ? &later : NULL;
	int n;

	for (size_t i = 0; i < s->n; i++)
		if (!qmp_peer_wait(s->places[i].peer, &s->polls[i]))
			timeout = &now;
	s->polls[s->n] = (struct pollfd){
		.fd = listening(s) ? s->listener->fd : -1,
		.events = POLLIN,
	};
	n = ppoll(s->polls, s->n + 1, timeout, while_waiting);
	for (size_t i = 0; n < 0 && i <= s->n; i++)
		s->polls[i].revents = 0;
	s->tired = false;
}

static bool is_due(const struct server *s, size_t i)
{
	struct pollfd unused;

	return s->polls[i].revents || !qmp_peer_wait(s->places[i].peer, &unused);
}

/*
 * One answer each, in turn; but a user with many clients gets a few a round, so
 * that another one's wait does not grow with them.
 */
static void work(struct server *s)
{
	const bool knocks = s->polls[s->n].revents;
	const size_t first = s->turn;

	for (size_t k = 0; k < s->n; k++) {
		const size_t i = (first + k) % s->n;
		struct place *place = &s->places[i];

		if (!is_due(s, i) || places_of(s, place->uid, true) >= ANSWERS_OF_A_USER)
			continue;
		place->worked = true;
		place->over = !qmp_peer_work(place->peer);
		s->turn = i + 1;
	}
	for (size_t i = s->n; i-- > 0;) {
		s->places[i].worked = false;
		if (s->places[i].over)
			place_remove(s, i);
	}
	if (knocks)
		accept_one(s);
}

/* Signals are let in only while the loop waits: none is missed. */
static void signals_set(sigset_t *ret_while_waiting)
{
	const struct sigaction stop = { .sa_handler = on_signal };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t blocked;

	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, ret_while_waiting);
	sigdelset(ret_while_waiting, SIGTERM);
	sigdelset(ret_while_waiting, SIGINT);
}

void qmp_serve(const struct qmp_listener *listener, int in, int out, struct qmp_source *source)
{
	struct server *s = mem_new(1, sizeof(*s));
	sigset_t while_waiting;

	s->listener = listener;
	s->source = source;
	signals_set(&while_waiting);
	if (in >= 0)
		place_add(s, in, out, NULL, geteuid());
	while (!stopping && (listener->fd >= 0 || s->n)) {
		wait_for_work(s, &while_waiting);
		work(s);
	}
	while (s->n)
		place_remove(s, s->n - 1);
	free(s);
}
