/* SPDX-License-Identifier: MIT */
/*
 * The closer: receives fds and lets them go, each in a child of its own that
 * does nothing else.  Must never read from, or write to, what it is given.
 */
#include "broker/closer/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/common/log.h"
#include "proto/packet.h"
#include "proto/util/fd.h"
#include "proto/util/hurry.h"

#define HANDS 32 /* closes that may block at once */

/* Before a child exits: there no timer would end the wait. */
static void close_in_a_hurry(struct packet *p)
{
	hurry_begin(); /* #syscalls:closer rt_sigaction rt_sigreturn setitimer */
	packet_done(p);
	hurry_end();
}

/*
 * Has a child hold the last copies of p's fds and close them, however long that takes. The child
 * waits until the parent has closed its own.
 */
static int let_go(struct packet *p)
{
	int turn[2]; /* closed by the parent once the child holds the last copies */
	char byte;
	pid_t pid;

	/* #syscalls:closer pipe2 read clone set_robust_list gettid rt_sigprocmask */
	if (pipe2(turn, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		fd_closep(&turn[1]);
		if (read(turn[0], &byte, sizeof(byte)))
			_exit(EXIT_FAILURE);
		close_in_a_hurry(p);
		_exit(EXIT_SUCCESS);
	}
	if (pid > 0)
		packet_done(p);
	fd_closep(&turn[0]);
	fd_closep(&turn[1]);
	return pid < 0 ? -EAGAIN : 0;
}

static int closer_main(int sock)
{
	struct packet held = { 0 }, next;
	unsigned busy = 0;
	int err = 0;

	while (!err) {
		/* #syscalls:closer wait4 */
		while (busy && waitpid(-1, NULL, busy < HANDS ? WNOHANG : 0) > 0)
			busy--;
		err = packet_recv(sock, &next);
		/*
		 * The front sends the next packet, or closes the socket, only after it has closed
		 * its own copy of what it sent before.
		 */
		if (held.n_fds && !let_go(&held))
			busy++;
		if (held.n_fds) /* no child could be made */
			close_in_a_hurry(&held);
		held = next;
	}
	return err;
}

/* Closes all but the socket to the front. */
static int closer_begin(int sock, const struct identity *id)
{
	int err;

	prctl(PR_SET_NAME, "rss-closer", 0, 0, 0);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	err = privileges_keep_fds(&sock, 1) ?: privileges_drop(id, PRIVILEGES_CAPS_NONE);
	return err ? err : seccomp_start(PROCESS_CLOSER);
}

int closer_start(const struct identity *id, int *ret_sock)
{
	_cleanup_fd_ int front = -1, closer = -1;
	int pair[2], err;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return log_error(-errno, "cannot make a socket pair");
	front = pair[0];
	closer = pair[1];
	if (fcntl(front, F_SETFL, O_NONBLOCK))
		return log_error(-errno, "cannot set up a socket pair");
	pid = fork();
	if (pid < 0)
		return log_error(-errno, "cannot start the closer");
	if (!pid) {
		err = closer_begin(closer, id);
		_exit(err || closer_main(closer) != -ECONNRESET ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	*ret_sock = fd_take(&front);
	return 0;
}
