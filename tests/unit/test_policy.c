/* SPDX-License-Identifier: MIT */
/* Who may ask, by the kernel's own word of who connected; every doubt denies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/start/user_lookup.h"
#include "proto/util/fd.h"
#include "tests/unit/open_fds.h"

/* A socket whose peer is of these supplementary groups. */
static int socket_of_groups(size_t n, const gid_t *groups)
{
	int sv[2];

	assert_int_equal(setgroups(n, groups), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	fd_closep(&sv[1]);
	return sv[0];
}

static void peer_is_read(void **state)
{
	_cleanup_fd_ int sock = socket_of_groups(0, NULL);
	struct peer peer = PEER_UNKNOWN;

	assert_int_equal(peer_read(&peer, sock), 0);
	assert_int_equal(peer.uid, getuid());
	assert_int_equal(peer.gid, getgid());
	assert_int_equal(peer.pid, getpid());
}

/* A lookup that fails leaves a peer that nobody lets in. */
static void fault_24_unreadable_peer(void **state)
{
	const struct policy all = {
		.n_uids = 1, .uids = { (uid_t)-1 }, .n_gids = 1, .gids = { (gid_t)-1 }
	};
	struct peer peer = PEER_UNKNOWN;
	int pipefd[2];

	assert_int_equal(pipe(pipefd), 0);
	assert_int_equal(peer_read(&peer, pipefd[0]), -ENOTSOCK);
	assert_int_equal(peer.uid, (uid_t)-1);
	assert_false(policy_allows(&all, &peer, pipefd[0]));
	fd_closep(&pipefd[0]);
	fd_closep(&pipefd[1]);
	assert_int_equal(peer_read(&peer, -1), -EBADF);
	assert_int_equal(peer.uid, (uid_t)-1);
}

static const struct {
	const char *what;
	uid_t uid;
	gid_t gid;
	bool want;
} rows[] = {
	{ "root", 0, 0, true },
	{ "root of another group", 0, 4000, true },
	{ "a user who was named", 1001, 4000, true },
	{ "a user who was not", 1002, 4000, false },
	{ "the uid just below", 1000, 4000, false },
	{ "a group that was named", 1002, 2001, true },
	{ "a group that was not", 1002, 2002, false },
	{ "group root is no root", 1002, 0, false },
	{ "65534 is not let in by its group", 65534, 2001, false },
	{ "the largest uid", 4294967294, 4000, false },
	{ "the largest uid by its group", 4294967294, 2001, true },
	{ "nobody knows who", (uid_t)-1, 2001, false },
};

static void users_and_groups(void **state)
{
	const struct policy policy = {
		.n_uids = 1, .uids = { 1001 }, .n_gids = 1, .gids = { 2001 }
	};
	_cleanup_fd_ int sock = socket_of_groups(0, NULL);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct peer peer = { rows[i].uid, rows[i].gid, 1 };

		print_message("%s\n", rows[i].what);
		assert_int_equal(policy_allows(&policy, &peer, sock), rows[i].want);
	}
}

static void fault_24_nobody_only_if_named(void **state)
{
	const struct peer nobody = { 65534, 65534, 1 };
	struct policy policy = { .n_gids = 1, .gids = { 65534 } };
	_cleanup_fd_ int sock = socket_of_groups(1, (gid_t[]){ 65534 });

	assert_false(policy_allows(&policy, &nobody, sock));
	assert_int_equal(policy_allow_user(&policy, "65534"), 0);
	assert_true(policy_allows(&policy, &nobody, sock));
}

static void supplementary_groups(void **state)
{
	const struct policy policy = { .n_gids = 2, .gids = { 2001, 2003 } };
	const struct peer peer = { 1002, 4000, 1 };
	unsigned before = open_fds();
	int sock;

	sock = socket_of_groups(3, (gid_t[]){ 5, 6, 2003 });
	assert_true(policy_allows(&policy, &peer, sock));
	fd_closep(&sock);
	sock = socket_of_groups(3, (gid_t[]){ 5, 6, 2002 });
	assert_false(policy_allows(&policy, &peer, sock));
	fd_closep(&sock);
	assert_false(policy_allows(&policy, &peer, -1)); /* the lookup fails: deny */
	assert_int_equal(open_fds(), before);
}

/* The kernel's maximum, with the one that matters last. */
static void many_groups(void **state)
{
	static gid_t groups[65536];
	const struct policy policy = { .n_gids = 1, .gids = { 1 + 65535 } };
	const struct peer peer = { 1002, 4000, 1 };
	int sock;

	for (size_t i = 0; i < 65536; i++)
		groups[i] = (gid_t)i + 1;
	sock = socket_of_groups(65536, groups);
	assert_true(policy_allows(&policy, &peer, sock));
	fd_closep(&sock);
	sock = socket_of_groups(65535, groups);
	assert_false(policy_allows(&policy, &peer, sock));
	fd_closep(&sock);
	assert_int_equal(setgroups(0, NULL), 0);
}

static void names(void **state)
{
	struct policy policy = { 0 };

	assert_int_equal(policy_allow_user(&policy, "root"), 0);
	assert_int_equal(policy_allow_group(&policy, "root"), 0);
	assert_int_equal(policy_allow_user(&policy, "4294967294"), 0);
	assert_int_equal(policy_allow_user(&policy, "4294967295"), -ENOENT);
	assert_int_equal(policy_allow_group(&policy, "-5"), -ENOENT);
	assert_int_equal(policy_allow_group(&policy, " 5"), -ENOENT);
	assert_int_equal(policy_allow_group(&policy, "5 "), -ENOENT);
	assert_int_equal(policy.n_uids, 2);
	assert_int_equal(policy.n_gids, 1);
	while (policy.n_gids < POLICY_NAMES_MAX)
		assert_int_equal(policy_allow_group(&policy, "7"), 0);
	assert_int_equal(policy_allow_group(&policy, "7"), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peer_is_read),
		cmocka_unit_test(fault_24_unreadable_peer),
		cmocka_unit_test(users_and_groups),
		cmocka_unit_test(fault_24_nobody_only_if_named),
		cmocka_unit_test(supplementary_groups),
		cmocka_unit_test(many_groups),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
