/* SPDX-License-Identifier: MIT */
/* The client's side of QMP, at peers that say something else than what was asked first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/qemu/monitor.h"
#include "proto/util/fd.h"

#define GREETING                                                                                   \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 3, \"minor\": 1, \"major\": 11}}}}\r\n"
#define EVENT "{\"timestamp\": {\"seconds\": 1}, \"event\": \"DEVICE_DELETED\", \"data\": {}}\r\n"
#define DONE  "{\"return\": {}}\r\n"

enum {
	SHORT_MS = 300,	  /* where nothing comes, or no end */
	MINUTE_MS = 60000 /* what never takes so long, however busy the machine */
};

/* Opens a client at a peer that has said all of this already, and hung up if hangs_up. */
static int open_at(struct monitor **ret, int *peer, const char *said, bool hangs_up, int timeout_ms)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(write(fds[1], said, strlen(said)), strlen(said));
	*peer = fds[1];
	if (hangs_up)
		shutdown(fds[1], SHUT_WR);
	return monitor_open_fd(ret, &fds[0], timeout_ms);
}

static void events_come_before_anything(void **state)
{
	static const char *const said[] = {
		GREETING DONE DONE,
		EVENT GREETING DONE DONE,
		EVENT EVENT EVENT GREETING EVENT DONE EVENT EVENT DONE,
	};

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		int major, minor, peer;
		struct monitor *m;

		assert_int_equal(open_at(&m, &peer, said[i], false, MINUTE_MS), 0);
		monitor_version(m, &major, &minor);
		assert_int_equal(major, 11);
		assert_int_equal(minor, 1);
		assert_int_equal(monitor_execute(m, "query-status", NULL, -1, NULL), 0);
		monitor_close(m);
		fd_closep(&peer);
	}
}

static void what_is_no_greeting_is_refused(void **state)
{
	static const struct {
		const char *said;
		int error;
	} rows[] = {
		{ "hello\r\n", -EPROTO },  { DONE, -EPROTO },
		{ EVENT DONE, -EPROTO },   { "[1]\r\n", -EPROTO },
		{ EVENT, -ECONNRESET },	   { "", -ECONNRESET },
		{ GREETING, -ECONNRESET }, { GREETING EVENT, -ECONNRESET },
		{ GREETING "x", -EPROTO },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct monitor *m;
		int peer;

		assert_int_equal(open_at(&m, &peer, rows[i].said, true, MINUTE_MS), rows[i].error);
		fd_closep(&peer);
	}
}

static void silence_ends(void **state)
{
	struct monitor *m;
	int peer;

	assert_int_equal(open_at(&m, &peer, EVENT, false, SHORT_MS), -ETIMEDOUT);
	fd_closep(&peer);
}

/* Each has a minute, all together have not; what was not answered was said all the same. */
static void silence_ends_once_for_all(void **state)
{
	struct monitor *m;
	int peer, times = 0;
	char said[4096];
	ssize_t n;

	assert_int_equal(open_at(&m, &peer, GREETING DONE, false, MINUTE_MS), 0);
	monitor_limit(m, SHORT_MS);
	for (int i = 0; i < 3; i++)
		assert_int_equal(monitor_execute(m, "stop", NULL, -1, NULL), -ETIMEDOUT);
	n = read(peer, said, sizeof(said) - 1);
	assert_true(n > 0);
	said[n] = '\0';
	for (const char *at = said; (at = strstr(at, "stop")); at++)
		times++;
	assert_int_equal(times, 3);
	monitor_close(m);
	fd_closep(&peer);
}

/* Sends events faster than anybody can read them, until nobody does. */
static void events_send(int fd)
{
	static const char event[] = { '{', '"', 'e', 'v', 'e', 'n', 't', '"', ':', '1', '}' };
	static char many[4096 * sizeof(event)];

	for (size_t i = 0; i < sizeof(many); i += sizeof(event))
		memcpy(many + i, event, sizeof(event));
	while (send(fd, many, sizeof(many), MSG_NOSIGNAL) > 0)
		;
}

static void events_without_an_end_end(void **state)
{
	struct monitor *m;

	for (int greets = 0; greets < 2; greets++) {
		int fds[2];
		pid_t pid;

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		pid = fork();
		if (pid == 0) {
			fd_closep(&fds[0]);
			if (greets && write(fds[1], GREETING, strlen(GREETING)) < 0)
				_exit(1);
			events_send(fds[1]);
			_exit(0);
		}
		fd_closep(&fds[1]);
		assert_int_equal(monitor_open_fd(&m, &fds[0], SHORT_MS), -ETIMEDOUT);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_before_anything),
		cmocka_unit_test(what_is_no_greeting_is_refused),
		cmocka_unit_test(silence_ends),
		cmocka_unit_test(silence_ends_once_for_all),
		cmocka_unit_test(events_without_an_end_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
