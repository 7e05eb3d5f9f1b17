/* SPDX-License-Identifier: MIT */
/* The table of connections: slots, deadlines, who waits longest, what was read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/front/session.h"
#include "proto/packet.h"
#include "proto/util/fd.h"
#include "tests/unit/open_fds.h"

#define NOW_MS 1000000

static struct sessions sessions;
static struct accounts accounts = { .limits = LIMITS_DEFAULT };
static struct account somebody;
static unsigned fds_before;

static int setup(void **state)
{
	sessions_init(&sessions);
	fds_before = open_fds();
	return 0;
}

static int teardown(void **state)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		if (sessions.list[i].state != SESSION_FREE)
			session_end(&sessions, &sessions.list[i]);
	}
	return open_fds() == fds_before && !sessions.n_open && !sessions.n_waiting &&
			       !sessions.n_closing
		       ? 0
		       : -1;
}

static struct session *new_session(void)
{
	int fd = dup(STDIN_FILENO);
	struct session *s = session_new(&sessions, &fd);

	assert_non_null(s);
	assert_int_equal(fd, -1); /* taken */
	return s;
}

static void a_new_session_is_nobodys(void **state)
{
	struct session *s = new_session();

	assert_int_equal(s->state, SESSION_NEW);
	assert_false(s->allowed);
	assert_int_equal(s->peer.uid, (uid_t)-1);
	assert_null(s->account);
	assert_int_equal(s->deadline_ms, 0);
}

/* A slot's next user is told apart from the one before, and has nothing of it. */
static void slots_are_used_again(void **state)
{
	struct session *s = new_session(), *again;
	uint32_t generation = s->generation;

	s->allowed = true;
	s->account = &somebody;
	s->peer.uid = 0;
	session_set_deadline(&sessions, s, 5);
	session_end(&sessions, s);
	assert_int_equal(s->state, SESSION_FREE);
	again = new_session();
	assert_ptr_equal(again, s);
	assert_int_not_equal(again->generation, generation);
	assert_false(again->allowed);
	assert_null(again->account);
	assert_int_equal(again->peer.uid, (uid_t)-1);
	assert_int_equal(again->deadline_ms, 0);
}

static void the_table_fills_up(void **state)
{
	int fd;

	for (size_t i = 0; i < SESSIONS_MAX; i++)
		new_session();
	assert_int_equal(sessions.n_open, SESSIONS_MAX);
	fd = dup(STDIN_FILENO);
	assert_null(session_new(&sessions, &fd));
	assert_true(fd >= 0); /* still the caller's */
	fd_closep(&fd);
	session_end(&sessions, &sessions.list[300]);
	assert_ptr_equal(new_session(), &sessions.list[300]);
}

/* --- waiting for a set ------------------------------------------------------- */

static struct session *waiting(unsigned object, uint64_t deadline_ms)
{
	union rssb_request request = { .header.tag = (uint32_t)deadline_ms };
	struct session *s = new_session();

	memset(request.acquire.steering.key, 0xaa, sizeof(request.acquire.steering.key));
	session_wait(&sessions, s, &request, object, deadline_ms);
	s->account = &somebody;
	return s;
}

static struct session *first_waiting(unsigned object)
{
	return session_first_waiting(&sessions, object, &accounts, NOW_MS);
}

static void the_longest_waiting_first(void **state)
{
	struct session *third = waiting(0, 30), *first = waiting(0, 10), *second = waiting(0, 20);
	struct session *other = waiting(1, 5);

	new_session();
	assert_int_equal(sessions_waiting(&sessions, 0), 3);
	assert_int_equal(sessions_waiting(&sessions, 1), 1);
	assert_int_equal(sessions_waiting(&sessions, 2), 0);
	assert_null(first_waiting(2));
	assert_ptr_equal(first_waiting(1), other);
	assert_ptr_equal(first_waiting(0), first);
	assert_int_equal(first->request.header.tag, 10);
	session_resume(&sessions, first);
	assert_ptr_equal(first_waiting(0), second);
	session_end(&sessions, second); /* gone while it waited */
	assert_ptr_equal(first_waiting(0), third);
	session_end(&sessions, third);
	assert_null(first_waiting(0));
	assert_int_equal(sessions_waiting(&sessions, 0), 0);
}

/* However long it waits: who had many sets already comes after who had few. */
static void the_modest_before_the_greedy(void **state)
{
	struct session *greedy = waiting(0, 10), *modest = waiting(0, 20), *later = waiting(0, 30);
	struct session *behind = waiting(0, 15); /* in the table, too */
	struct account many = { .tokens.full_at_us = (NOW_MS + 1000) * 1000 };
	struct account few = { .tokens.full_at_us = (NOW_MS + 100) * 1000 };

	greedy->account = behind->account = &many;
	modest->account = later->account = &few;
	assert_ptr_equal(first_waiting(0), modest);
	session_resume(&sessions, modest);
	assert_ptr_equal(first_waiting(0), later);
	session_resume(&sessions, later);
	assert_ptr_equal(first_waiting(0), greedy);
	session_resume(&sessions, greedy);
	assert_ptr_equal(first_waiting(0), behind);
}

/* The request holds a key: nothing of it stays. */
static void a_request_is_wiped(void **state)
{
	static const union rssb_request zero;
	struct session *s = waiting(0, 10);

	assert_int_equal(s->state, SESSION_WAITING);
	session_resume(&sessions, s);
	assert_int_not_equal(s->state, SESSION_WAITING);
	assert_memory_equal(&s->request, &zero, sizeof(zero));
	s = waiting(0, 10);
	session_end(&sessions, s);
	assert_memory_equal(&s->request, &zero, sizeof(zero));
	s = waiting(0, 10);
	session_set_closing(&sessions, s);
	assert_memory_equal(&s->request, &zero, sizeof(zero));
	assert_int_equal(sessions.n_closing, 1);
}

/* --- deadlines ------------------------------------------------------------------ */

static void deadlines(void **state)
{
	struct session *a = new_session(), *b = new_session(), *c = waiting(0, 300);

	new_session();
	assert_null(session_overdue(&sessions, 299));
	session_set_deadline(&sessions, a, 100);
	session_set_deadline(&sessions, b, 200);
	assert_int_equal(sessions.next_deadline_ms, 100);
	assert_null(session_overdue(&sessions, 99));
	assert_ptr_equal(session_overdue(&sessions, 100), a);
	assert_ptr_equal(session_overdue(&sessions, 100), a); /* until it is dealt with */
	session_set_deadline(&sessions, a, 0);
	assert_null(session_overdue(&sessions, 100));
	assert_int_equal(sessions.next_deadline_ms, 200);
	session_end(&sessions, b);
	assert_ptr_equal(session_overdue(&sessions, 1000), c);
	session_end(&sessions, c);
	assert_null(session_overdue(&sessions, 1000));
	assert_int_equal(sessions.next_deadline_ms, 0);
	assert_null(session_overdue(&sessions, UINT64_MAX));
}

/* --- replies -------------------------------------------------------------------- */

static void replies_are_read(void **state)
{
	struct account mine = { .used = true }, others = mine;
	struct session *s[2];
	struct packet p;
	int peers[2];

	for (int i = 0; i < 2; i++) {
		int sv[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
		s[i] = session_new(&sessions, &sv[0]);
		s[i]->account = &mine;
		peers[i] = sv[1];
		assert_false(session_reply_unread(s[i]));
		assert_int_equal(packet_send(s[i]->fd, "reply", 5, &s[i]->fd, 1), 0);
		s[i]->state = SESSION_REPLIED;
		assert_true(session_reply_unread(s[i]));
	}
	assert_int_equal(sessions_unread(&sessions, &mine, 9), 2);
	assert_int_equal(sessions_unread(&sessions, &mine, 1), 1);
	assert_int_equal(sessions_unread(&sessions, &others, 9), 0);
	assert_int_equal(packet_recv(peers[0], &p), 0);
	packet_done(&p);
	assert_false(session_reply_unread(s[0]));
	assert_int_equal(sessions_unread(&sessions, &mine, 9), 1);
	fd_closep(&peers[1]); /* gone without reading */
	assert_false(session_reply_unread(s[1]));
	fd_closep(&peers[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_new_session_is_nobodys, setup, teardown),
		cmocka_unit_test_setup_teardown(slots_are_used_again, setup, teardown),
		cmocka_unit_test_setup_teardown(the_table_fills_up, setup, teardown),
		cmocka_unit_test_setup_teardown(the_longest_waiting_first, setup, teardown),
		cmocka_unit_test_setup_teardown(the_modest_before_the_greedy, setup, teardown),
		cmocka_unit_test_setup_teardown(a_request_is_wiped, setup, teardown),
		cmocka_unit_test_setup_teardown(deadlines, setup, teardown),
		cmocka_unit_test_setup_teardown(replies_are_read, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
