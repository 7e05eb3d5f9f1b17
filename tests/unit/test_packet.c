/* SPDX-License-Identifier: MIT */
/* Packets with fds, right and wrong: none leaks, none is lost without a word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "proto/packet.h"
#include "proto/util/fd.h"
#include "tests/unit/open_fds.h"
#include "tests/unit/valgrind.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ROOM	     sizeof(((struct packet *)0)->data)

static void pair_open(int sv[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
}

static void pair_close(int sv[2])
{
	fd_closep(&sv[0]);
	fd_closep(&sv[1]);
}

/* What any client may send: len bytes, n_fds times the same fd, with credentials or not. */
static void send_raw(int sock, size_t len, size_t n_fds, bool cred)
{
	static const uint8_t data[2 * ROOM] = { 'x', 'y' };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(PACKET_FDS_MAX * sizeof(int)) +
			 CMSG_SPACE(sizeof(struct ucred))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf };
	const struct ucred me = { getpid(), getuid(), getgid() };
	struct cmsghdr *c = &control.align;

	if (cred) {
		*c = (struct cmsghdr){ CMSG_LEN(sizeof(me)), SOL_SOCKET, SCM_CREDENTIALS };
		memcpy(CMSG_DATA(c), &me, sizeof(me));
		msg.msg_controllen = CMSG_SPACE(sizeof(me));
		c = (struct cmsghdr *)(control.buf + msg.msg_controllen);
	}
	if (n_fds) {
		*c = (struct cmsghdr){ CMSG_LEN(n_fds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		for (size_t i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &(int){ STDIN_FILENO }, sizeof(int));
		msg.msg_controllen += CMSG_SPACE(n_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(sock, &msg, 0), len);
}

/* --- receiving ----------------------------------------------------------------- */

static const struct {
	const char *what;
	size_t len, n_fds;
	bool cred;
	int want;
} rows[] = {
	{ "a byte", 1, 0, false, 0 },
	{ "a request", 392, 0, false, 0 },
	{ "as much as there is room", ROOM, 0, false, 0 },
	{ "one byte more", ROOM + 1, 0, false, -EMSGSIZE },
	{ "one fd", 16, 1, false, 0 },
	{ "five fds", 16, 5, false, 0 },
	{ "all fds that the kernel lets through", 16, PACKET_FDS_MAX, false, 0 },
	{ "too long, with fds", ROOM + 1, 4, false, -EMSGSIZE },
	{ "twice too long, with all fds", 2 * ROOM, PACKET_FDS_MAX, false, -EMSGSIZE },
	{ "empty", 0, 0, false, -ECONNRESET },
	{ "empty, with fds", 0, 2, false, -ECONNRESET },
	{ "empty, with all fds", 0, PACKET_FDS_MAX, false, -ECONNRESET },
	{ "credentials", 16, 0, true, 0 },
	{ "credentials and fds", 16, 3, true, 0 },
};

static void received(void **state)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		unsigned before = open_fds();
		struct packet p;
		int sv[2];

		print_message("%s\n", rows[i].what);
		pair_open(sv);
		send_raw(sv[0], rows[i].len, rows[i].n_fds, rows[i].cred);
		assert_int_equal(packet_recv(sv[1], &p), rows[i].want);
		assert_int_equal(p.len, rows[i].want ? 0 : rows[i].len);
		assert_int_equal(p.n_fds, rows[i].n_fds);
		for (size_t f = 0; f < p.n_fds; f++)
			assert_int_equal(fcntl(p.fds[f], F_GETFD), FD_CLOEXEC);
		packet_done(&p);
		assert_int_equal(p.n_fds, 0);
		packet_done(&p); /* is harmless */
		pair_close(sv);
		assert_int_equal(open_fds(), before);
	}
}

/* A receiver that asks for credentials or timestamps gets them beside the fds. */
static void credentials_asked_for(void **state)
{
	unsigned before = open_fds();
	struct packet p;
	int sv[2];

	pair_open(sv);
	assert_int_equal(setsockopt(sv[1], SOL_SOCKET, SO_PASSCRED, &(int){ 1 }, sizeof(int)), 0);
	send_raw(sv[0], 16, 3, true);
	assert_int_equal(packet_recv(sv[1], &p), 0);
	assert_int_equal(p.n_fds, 3);
	packet_done(&p);
	pair_close(sv);
	assert_int_equal(open_fds(), before);
}

/* A look at the next packet installs none of its fds and takes nothing away. */
static void looked_at(void **state)
{
	unsigned before = open_fds();
	struct packet p;
	int sv[2];

	pair_open(sv);
	assert_int_equal(packet_mark(sv[1]), 0);
	assert_int_equal(packet_peek(sv[1]), PACKET_NONE); /* it does not wait */
	for (size_t len = 0; len <= 16; len += 16) {
		send_raw(sv[0], len, 0, true);
		assert_int_equal(packet_peek(sv[1]), PACKET_PLAIN);
		assert_int_equal(packet_recv(sv[1], &p), len ? 0 : -ECONNRESET);
	}
	for (size_t n = 1; n < PACKET_FDS_MAX; n += 84) {
		send_raw(sv[0], n == 1 ? 0 : 16, n, false);
		assert_int_equal(packet_peek(sv[1]), PACKET_FDS);
		assert_int_equal(packet_peek(sv[1]), PACKET_FDS);
		assert_int_equal(open_fds(), before + 2);
		assert_int_equal(packet_recv(sv[1], &p), n == 1 ? -ECONNRESET : 0);
		assert_int_equal(p.n_fds, n);
		packet_done(&p);
	}
	fd_closep(&sv[0]);
	assert_int_equal(packet_peek(sv[1]), PACKET_END);
	pair_close(sv);
	assert_int_equal(packet_peek(-1), PACKET_NONE);
	assert_int_equal(packet_mark(-1), -EBADF);
}

/* A peer that hangs up with our packet unread leaves an error, and behind it what it sent. */
static void looked_behind_a_reset(void **state)
{
	struct packet p;
	int sv[2];

	pair_open(sv);
	assert_int_equal(packet_mark(sv[1]), 0);
	assert_int_equal(packet_send(sv[1], "x", 1, NULL, 0), 0);
	send_raw(sv[0], 16, 3, false);
	fd_closep(&sv[0]);
	assert_int_equal(packet_peek(sv[1]), PACKET_FDS);
	assert_int_equal(packet_recv(sv[1], &p), 0);
	packet_done(&p);
	assert_int_equal(packet_peek(sv[1]), PACKET_END);
	pair_close(sv);
}

/* With room for two fds the kernel delivers two of four, and says so. */
static void fd_limit(void **state)
{
	unsigned before = open_fds();
	struct rlimit right, low;
	struct packet p;
	int sv[2], lowest;

	if (fd_limit_is_pretended())
		skip();
	pair_open(sv);
	send_raw(sv[0], 16, 4, false);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &right), 0);
	low = right;
	lowest = dup(0);
	low.rlim_cur = (rlim_t)lowest + 2;
	fd_closep(&lowest);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(packet_recv(sv[1], &p), -EBADMSG);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &right), 0);
	assert_int_equal(p.n_fds, 2);
	packet_done(&p);
	pair_close(sv);
	assert_int_equal(open_fds(), before);
}

static void peer_gone(void **state)
{
	struct packet p;
	int sv[2];

	pair_open(sv);
	fd_closep(&sv[0]);
	assert_int_equal(packet_recv(sv[1], &p), -ECONNRESET);
	assert_int_equal(p.n_fds, 0);
	pair_close(sv);
}

static void nothing_there(void **state)
{
	struct packet p;
	int sv[2];

	pair_open(sv);
	assert_int_equal(fcntl(sv[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(packet_recv(sv[1], &p), -EAGAIN);
	assert_int_equal(packet_recv(-1, &p), -EBADF);
	assert_int_equal(p.n_fds, 0);
	pair_close(sv);
}

static int alarm_sender;
static volatile sig_atomic_t n_alarms;

static void on_alarm(int sig)
{
	if (++n_alarms == 3)
		send(alarm_sender, "x", 1, MSG_DONTWAIT);
}

/* A signal in the middle of the wait is nobody's error: the packet comes after three of them. */
static void interrupted(void **state)
{
	struct sigaction action = { .sa_handler = on_alarm }; /* no SA_RESTART */
	struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, off = { 0 };
	struct packet p;
	int sv[2];

	pair_open(sv);
	sigaction(SIGALRM, &action, NULL);
	n_alarms = 0;
	alarm_sender = sv[0];
	setitimer(ITIMER_REAL, &often, NULL);
	assert_int_equal(packet_recv(sv[1], &p), 0);
	assert_int_equal(p.len, 1);
	setitimer(ITIMER_REAL, &off, NULL);
	packet_done(&p);
	pair_close(sv);
}

/* --- sending ---------------------------------------------------------------------- */

static void sent(void **state)
{
	const int fds[RSSB_FDS_MAX + 1] = { 0, 0, 0, 0, 0, 0 };

	for (size_t n = 0; n <= RSSB_FDS_MAX; n++) {
		unsigned before = open_fds();
		struct packet p;
		int sv[2];

		pair_open(sv);
		assert_int_equal(packet_send(sv[0], "abc", 3, fds, n), 0);
		assert_int_equal(packet_recv(sv[1], &p), 0);
		assert_int_equal(p.len, 3);
		assert_memory_equal(p.data, "abc", 3);
		assert_int_equal(p.n_fds, n);
		packet_done(&p);
		pair_close(sv);
		assert_int_equal(open_fds(), before);
	}
	assert_int_equal(packet_send(-1, "abc", 3, fds, RSSB_FDS_MAX + 1), -E2BIG);
}

static void send_errors(void **state)
{
	const int closed[] = { 0, -1 };
	struct packet p;
	int sv[2], r;

	pair_open(sv);
	assert_int_equal(fcntl(sv[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(packet_send(sv[0], "abc", 3, closed, 2), -EBADF);
	assert_int_equal(fcntl(sv[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(packet_recv(sv[1], &p), -EAGAIN); /* nothing went in part */
	while (!(r = packet_send(sv[0], "abc", 3, NULL, 0)))
		;
	assert_int_equal(r, -EAGAIN);
	fd_closep(&sv[1]);
	assert_int_equal(packet_send(sv[0], "abc", 3, NULL, 0), -ECONNRESET);
	assert_int_equal(packet_send(sv[0], "abc", 3, NULL, 0), -EPIPE); /* and no SIGPIPE */
	pair_close(sv);
}

/* --- fd.h ------------------------------------------------------------------------------ */

static void owned_fds(void **state)
{
	unsigned before = open_fds();
	int fd = dup(0), taken;

	taken = fd_take(&fd);
	assert_int_equal(fd, -1);
	assert_true(taken >= 0);
	{
		_cleanup_fd_ int scoped = fd_take(&taken);

		assert_int_equal(open_fds(), before + 1);
		assert_true(scoped >= 0);
	}
	assert_int_equal(open_fds(), before);
	errno = EINTR;
	fd_closep(&fd);
	fd = 12345;
	fd_closep(&fd); /* EBADF inside */
	assert_int_equal(fd, -1);
	assert_int_equal(errno, EINTR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(received),	 cmocka_unit_test(credentials_asked_for),
		cmocka_unit_test(looked_at),	 cmocka_unit_test(looked_behind_a_reset),
		cmocka_unit_test(fd_limit),	 cmocka_unit_test(peer_gone),
		cmocka_unit_test(nothing_there), cmocka_unit_test(interrupted),
		cmocka_unit_test(sent),		 cmocka_unit_test(send_errors),
		cmocka_unit_test(owned_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
