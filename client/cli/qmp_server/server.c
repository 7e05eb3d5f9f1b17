/* SPDX-License-Identifier: MIT */
/*
 * Accepts QMP clients and forks a process for each.  Must never read from a client itself, nor wait
 * for as long as one chose.
 */
#include "client/cli/qmp_server/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/qmp_server/client.h"
#include "client/cli/qmp_server/commands.h"
#include "client/cli/util/mem.h"
#include "proto/util/fd.h"
#include "proto/util/hurry.h"

/* The pause after an accept or a fork that failed for want of memory, fds or processes. */
#define RETRY_MS 100

struct client {
	pid_t pid;
	uid_t uid;
};

struct server {
	const struct qmp_listener *listener;
	const char *broker;
	sigset_t signals; /* as they are outside of the wait */
	size_t n;
	struct client clients[QMP_CLIENTS_MAX];
};

static volatile sig_atomic_t stopping;

static const int caught[] = { SIGTERM, SIGINT, SIGCHLD };
#define N_CAUGHT (sizeof(caught) / sizeof(caught[0]))

/* Of a child that ended only the wait is to end. */
static void on_signal(int signal)
{
	if (signal != SIGCHLD)
		stopping = signal;
}

/* Signals are let in only while the loop waits: none is missed. */
static void signals_set(sigset_t *ret_before)
{
	const struct sigaction action = { .sa_handler = on_signal };
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < N_CAUGHT; i++) {
		sigaction(caught[i], &action, NULL);
		sigaddset(&blocked, caught[i]);
	}
	sigprocmask(SIG_BLOCK, &blocked, ret_before);
}

static void clients_reap(struct server *s)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (size_t i = 0; i < s->n; i++)
			if (s->clients[i].pid == pid)
				s->clients[i] = s->clients[--s->n];
}

static size_t clients_of(const struct server *s, uid_t uid)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->clients[i].uid == uid;
	return n;
}

/* In the child.  It ends with the server. */
static void client_serve(const struct server *s, int fd)
{
	for (size_t i = 0; i < N_CAUGHT; i++)
		signal(caught[i], SIG_DFL);
	sigprocmask(SIG_SETMASK, &s->signals, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	qmp_client_serve(fd, fd, s->broker);
	_exit(EXIT_SUCCESS);
}

/* Sends one line.  The socket is new, so its buffer has room for it. */
static void refuse(int fd, const char *why)
{
	_cleanup_free_ char *line = qmp_error_line(why);

	(void)!write(fd, line, strlen(line));
}

/* Before Linux 6.16 fds may lie in it; of a client that has gone this may be the last copy. */
static void connection_closep(int *fd)
{
	hurry_begin();
	fd_closep(fd);
	hurry_end();
}

/* False: come back later. */
static bool client_accept(struct server *s)
{
	int fd __attribute__((cleanup(connection_closep))) = -1;
	uid_t uid;
	pid_t pid;
	int err = qmp_listener_accept(s->listener, &fd, &uid);

	if (err)
		return err == -EAGAIN || err == -ECONNABORTED;
	if (clients_of(s, uid) >= QMP_CLIENTS_OF_A_USER_MAX) {
		refuse(fd, "Too many connections of this user");
		return true;
	}
	pid = fork();
	if (!pid)
		client_serve(s, fd);
	if (pid > 0)
		s->clients[s->n++] = (struct client){ pid, uid };
	else
		refuse(fd, "No process can be started for this connection; try again later");
	return pid > 0;
}

void qmp_serve(const struct qmp_listener *listener, const char *broker)
{
	static const struct timespec soon = { .tv_nsec = RETRY_MS * 1000000 };
	struct server *s = mem_new(1, sizeof(*s));
	bool rests = false;

	s->listener = listener;
	s->broker = broker;
	signals_set(&s->signals);
	while (!stopping) {
		const bool full = rests || s->n == QMP_CLIENTS_MAX;
		struct pollfd wait = { .fd = full ? -1 : listener->fd, .events = POLLIN };

		if (ppoll(&wait, 1, rests ? &soon : NULL, &s->signals) > 0)
			rests = !client_accept(s);
		else
			rests = false;
		clients_reap(s);
	}
	free(s);
}
