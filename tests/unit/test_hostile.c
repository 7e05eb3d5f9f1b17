/* SPDX-License-Identifier: MIT */
/*
 * librssb against a broker that means harm: what it says goes to a terminal, or
 * decides how long a caller asks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <time.h>

#include "client/include/rssb.h"
#include "tests/unit/fake_broker.h"

#define ESCAPE "\033]0;owned\a"

static const char *text; /* what the broker says, where it may choose */

static void say_text(struct answer *a)
{
	switch (a->reply.base.header.op & ~RSSB_OP_REPLY) {
	case RSSB_OP_INFO:
		memcpy(a->reply.info.version, text, strlen(text));
		break;
	case RSSB_OP_OBJECT:
	case RSSB_OP_EXPORT:
		memcpy(a->reply.object.name, text, strlen(text));
		break;
	case RSSB_OP_GRANT:
		a->reply.grant.id = FAKE_GRANT_ID;
		memcpy(a->reply.grant.label, text, strnlen(text, RSSB_LABEL_MAX));
		break;
	}
}

/* What each call that returns a text says to this one. */
static void ask_all(const char *said, int want_name, int want_label)
{
	struct rssb_grant_info grant;
	struct rssb_object object;
	struct rssb_info info;
	int got[4], fd = -1;

	text = said;
	for (size_t i = 0; i < 4; i++) {
		struct fake_broker b = { .spoil = say_text };
		struct rssb *c;

		fake_broker_start(&b);
		assert_int_equal(rssb_connect(&c, b.path), 0);
		got[i] = i == 0	  ? rssb_info(c, &info)
			 : i == 1 ? rssb_object(c, 0, &object)
			 : i == 2 ? rssb_export(c, NULL, &fd, &object)
				  : rssb_next_grant(c, 0, &grant);
		fd_closep(&fd);
		rssb_close(c);
		fake_broker_stop(&b);
		assert_int_equal(got[i], i < 3 ? want_name : want_label);
	}
}

static void texts(void **state)
{
	ask_all("qemu-10.0_plain.text", 0, 0);
	ask_all("two words", 0, -EPROTO);
	ask_all(ESCAPE, -EPROTO, -EPROTO);
	ask_all("two\nlines", -EPROTO, -EPROTO);
	ask_all("del\x7f", -EPROTO, -EPROTO);
	ask_all("back\\slash", -EPROTO, -EPROTO);
	ask_all("\"} 1\\", -EPROTO, -EPROTO);
	ask_all("\"", -EPROTO, -EPROTO);
	ask_all("\xc2\x9b"
		"2J",
		-EPROTO, -EPROTO); /* a terminal's CSI, in UTF-8 */
	ask_all("it has as many bytes as the field", -EPROTO, -EPROTO);
}

static void refuse_with_escapes(struct answer *a)
{
	a->reply.base.status = RSSB_INTERNAL;
	strcpy(a->reply.base.reason, ESCAPE " \xc2\x9b"
					    "2J \xc3\xa4");
}

static void reasons(void **state)
{
	struct fake_broker b = { .spoil = refuse_with_escapes };
	struct rssb_info info;
	struct rssb *c;

	fake_broker_start(&b);
	assert_int_equal(rssb_connect(&c, b.path), 0);
	assert_int_equal(rssb_info(c, &info), -EREMOTEIO);
	assert_string_equal(rssb_reason(c), "?]0;owned? ??2J \xc3\xa4");
	rssb_close(c);
	fake_broker_stop(&b);
}

static void same_grant_again(struct answer *a)
{
	a->reply.grant.id = FAKE_GRANT_ID;
}

static void a_walk_ends(void **state)
{
	struct fake_broker b = { .spoil = same_grant_again };
	struct rssb_grant_info grant;
	struct rssb *c;

	fake_broker_start(&b);
	assert_int_equal(rssb_connect(&c, b.path), 0);
	assert_int_equal(rssb_next_grant(c, 0, &grant), 0);
	assert_int_equal(rssb_next_grant(c, grant.id, &grant), -EPROTO);
	assert_string_equal(rssb_reason(c), "the broker listed the same grant twice");
	rssb_close(c);
	fake_broker_stop(&b);
}

/* --- what is out of range -------------------------------------------------------------- */

static const struct range {
	uint16_t queues, table_len;
} too_large[] = {
	{ RSSB_QUEUES_MAX + 1, 1 },
	{ 1, RSSB_TABLE_MAX + 1 },
};
static const struct range *range; /* what the broker says; all of its entries are queue 0 */

static void say_range(struct answer *a)
{
	if (a->reply.base.header.op == (RSSB_OP_MOVE | RSSB_OP_REPLY)) {
		a->reply.move.queues = range->queues;
		a->reply.move.table_len = range->table_len;
	} else {
		a->reply.stats.queues = range->queues;
		a->reply.stats.table_len = range->table_len;
	}
}

static void more_than_there_is(void **state)
{
	const struct rssb_move move = { 0 };
	struct rssb_table table;
	struct rssb_stats stats;

	for (size_t i = 0; i < sizeof(too_large) / sizeof(too_large[0]); i++) {
		struct fake_broker b = { .spoil = say_range };
		struct rssb *c;

		range = &too_large[i];
		fake_broker_start(&b);
		assert_int_equal(rssb_connect(&c, b.path), 0);
		assert_int_equal(rssb_move(c, 1, NULL, &move, 1, &table), -EPROTO);
		assert_int_equal(rssb_stats(c, 1, NULL, &stats), -EPROTO);
		rssb_close(c);
		fake_broker_stop(&b);
	}
}

static void more_moves_than_a_request_has(void **state)
{
	static const struct rssb_move moves[RSSB_MOVES_MAX + 1];
	struct fake_broker b = { 0 };
	struct rssb_table table;
	struct rssb *c;

	fake_broker_start(&b);
	assert_int_equal(rssb_connect(&c, b.path), 0);
	assert_int_equal(rssb_move(c, 1, NULL, moves, RSSB_MOVES_MAX + 1, &table), -EINVAL);
	rssb_close(c);
	fake_broker_stop(&b);
	assert_int_equal(b.requests, 0);
}

/* --- other fds ------------------------------------------------------------------------- */

static void export_a_program(struct answer *a)
{
	a->reply.base.roles[0] = RSSB_ROLE_PROG;
}

static void another_fd_than_an_object(void **state)
{
	struct fake_broker b = { .spoil = export_a_program };
	unsigned before = open_fds();
	struct rssb *c;
	int fd = -1;

	fake_broker_start(&b);
	assert_int_equal(rssb_connect(&c, b.path), 0);
	assert_int_equal(rssb_export(c, NULL, &fd, NULL), -EPROTO);
	assert_int_equal(fd, -1);
	rssb_close(c);
	fake_broker_stop(&b);
	assert_int_equal(open_fds(), before);
}

/* --- an fd whose close waits --------------------------------------------------------- */

enum { LINGER_S = 600 };

static int peer = -1;	       /* of the socket; it reads nothing */
static pthread_barrier_t sent; /* before the client asks, so that it has the last copy */

static int lingering_socket(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct linger linger = { 1, LINGER_S };
	socklen_t len = sizeof(addr);
	static char bytes[65536];
	int listener = socket(AF_INET, SOCK_STREAM, 0), sock = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listener, (struct sockaddr *)&addr, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&addr, &len) ||
	    connect(sock, (struct sockaddr *)&addr, len) ||
	    setsockopt(sock, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)))
		abort();
	peer = accept(listener, NULL, NULL);
	while (send(sock, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	fd_closep(&listener);
	return sock;
}

static void send_lingering(int sock)
{
	union rssb_reply_any reply;
	int fd = lingering_socket();
	size_t len;

	rssb_reply_init(&reply, RSSB_OP_INFO);
	reply.base.header.tag = 1;
	reply.base.n_fds = 1;
	reply.base.roles[0] = RSSB_ROLE_PROG;
	len = rssb_reply_encode(&reply);
	if (packet_send(sock, &reply, len, &fd, 1))
		abort();
	fd_closep(&fd);
	pthread_barrier_wait(&sent);
}

static void a_close_that_waits(void **state)
{
	struct fake_broker b = { .greet = send_lingering };
	time_t start = time(NULL);
	struct rssb_info info;
	struct rssb *c;

	pthread_barrier_init(&sent, NULL, 2);
	fake_broker_start(&b);
	assert_int_equal(rssb_connect(&c, b.path), 0);
	pthread_barrier_wait(&sent);
	assert_int_equal(rssb_info(c, &info), -EPROTO);
	assert_true(time(NULL) - start < LINGER_S / 2);
	rssb_close(c);
	fake_broker_stop(&b);
	fd_closep(&peer);
	pthread_barrier_destroy(&sent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_close_that_waits),
		cmocka_unit_test(texts),
		cmocka_unit_test(reasons),
		cmocka_unit_test(a_walk_ends),
		cmocka_unit_test(more_than_there_is),
		cmocka_unit_test(more_moves_than_a_request_has),
		cmocka_unit_test(another_fd_than_an_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
