/* SPDX-License-Identifier: MIT */
/*
 * librssb against a broker that answers wrongly in every way: the right error,
 * a reason, no fd left open, and no call that outlasts its deadline.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "client/include/rssb.h"
#include "client/lib/connection.h"
#include "client/lib/fill.h"
#include "proto/util/deadline.h"
#include "tests/unit/fake_broker.h"
#include "tests/unit/valgrind.h"

#define MINUTE_MS 60000 /* what never takes so long, however busy the machine */

static const uint8_t key[RSSB_KEY_BYTES] = { 1, 2, 3 };
static const uint16_t table[] = { 0, 1, 2, 3 };

static const struct rssb_steering steering = {
	.size = sizeof(steering),
	.hash_types = 0x1ff,
	.queues = 4,
	.table_len = 4,
	.table = table,
	.key = key,
};

static int acquire(struct rssb *c, enum rssb_grant_kind kind, struct rssb_fds *ret_fds)
{
	struct rssb_acquire_options options = {
		.size = sizeof(options),
		.kind = kind,
		.steering = &steering,
		.label = "web",
	};
	struct rssb_grant grant = { 0 };
	int r = rssb_acquire(c, &options, ret_fds, &grant);

	if (!r)
		assert_int_equal(grant.id, FAKE_GRANT_ID);
	return r;
}

static void expect_open(const struct rssb_fds *fds, bool maps)
{
	const int all[] = { fds->prog, fds->lease, fds->config, fds->key, fds->table };

	for (size_t i = 0; i < 5; i++) {
		if (i >= 2 && !maps)
			assert_int_equal(all[i], -1);
		else
			assert_int_equal(fcntl(all[i], F_GETFD), FD_CLOEXEC);
	}
}

static void right_answers(void **state)
{
	unsigned before = open_fds();
	struct fake_broker b = { 0 };
	struct rssb_fds fds = RSSB_FDS_INIT;
	struct rssb_object object;
	struct rssb_info info;
	struct rssb *c;
	int fd;

	fake_broker_start(&b);
	assert_int_equal(rssb_connect(&c, b.path), 0);
	assert_int_equal(fcntl(c->sock, F_GETFD), FD_CLOEXEC);
	assert_int_equal(rssb_info(c, &info), 0);
	assert_string_equal(info.version, "1.2.3");
	assert_int_equal(rssb_object(c, 1, &object), 0);
	assert_string_equal(object.name, "rss-stats");
	assert_int_equal(acquire(c, RSSB_HANDOFF, &fds), 0);
	expect_open(&fds, true);
	rssb_fds_close(&fds);
	assert_int_equal(fds.prog, -1);
	assert_int_equal(acquire(c, RSSB_PROGRAM_ONLY, &fds), 0);
	expect_open(&fds, false);
	rssb_fds_close(&fds);
	assert_int_equal(rssb_export(c, NULL, &fd, &object), 0);
	assert_string_equal(object.name, "rss");
	fd_closep(&fd);
	assert_int_equal(rssb_export(c, object.id, &fd, NULL), 0);
	fd_closep(&fd);
	assert_int_equal(rssb_release(c, 1, NULL), 0);
	assert_int_equal(rssb_release(c, 0, "web"), 0);
	assert_null(rssb_close(c));
	fake_broker_stop(&b);
	assert_int_equal(b.requests, 8);
	assert_int_equal(b.refused, 0);
	assert_int_equal(open_fds(), before);
}

/* Which fds come with which kind and flags, and what else managed grants have. */
static void managed_and_kept(void **state)
{
	static const enum rssb_grant_kind kinds[] = { RSSB_PROGRAM_ONLY, RSSB_MANAGED };
	struct rssb_acquire_options o = { .size = sizeof(o), .steering = &steering };
	struct rssb_fds fds = RSSB_FDS_INIT;
	struct fake_broker b = { 0 };
	struct rssb_stats stats;
	struct rssb *c;

	fake_broker_start(&b);
	assert_int_equal(rssb_connect(&c, b.path), 0);
	for (size_t i = 0; i < 2; i++) {
		o.kind = kinds[i];
		o.flags = RSSB_GRANT_STATS;
		assert_int_equal(rssb_acquire(c, &o, &fds, NULL), 0);
		expect_open(&fds, false);
		rssb_fds_close(&fds);
		o.flags = RSSB_GRANT_KEEP;
		assert_int_equal(rssb_acquire(c, &o, &fds, NULL), 0);
		assert_true(fds.prog >= 0 && fds.lease < 0 && fds.config < 0);
		rssb_fds_close(&fds);
	}
	assert_int_equal(rssb_update(c, 1, NULL, &steering), 0);
	assert_int_equal(rssb_update(c, 0, "web", &steering), 0);
	assert_int_equal(rssb_stats(c, 0, "web", &stats), 0);
	assert_int_equal(stats.hashed[8], 8);
	assert_int_equal(stats.fallback[RSSB_BAD_CONFIG], 3);
	assert_int_equal(stats.queue[255].bytes, 2550);
	assert_int_equal(stats.entry[127].packets, 127);
	rssb_close(c);
	fake_broker_stop(&b);
	assert_int_equal(b.refused, 0);
	assert_int_equal(b.requests, 7);
}

/* --- wrong answers to an ACQUIRE ------------------------------------------ */

static void spoil_op(struct answer *a)
{
	a->reply.base.header.op = RSSB_OP_RELEASE | RSSB_OP_REPLY;
	a->len = sizeof(struct rssb_reply);
}

static void spoil_tag(struct answer *a)
{
	a->reply.base.header.tag++;
}

static void spoil_short(struct answer *a)
{
	a->len = sizeof(struct rssb_reply);
}

static void spoil_one_byte(struct answer *a)
{
	a->len = 1;
}

static void spoil_long(struct answer *a)
{
	a->len = RSSB_REPLY_MAX + 1;
}

static void spoil_empty(struct answer *a)
{
	a->len = SIZE_MAX;
}

static void bytes_magic(uint8_t *bytes)
{
	bytes[0] ^= 1;
}

static void spoil_magic(struct answer *a)
{
	a->spoil_bytes = bytes_magic;
}

static void bytes_version(uint8_t *bytes)
{
	bytes[4] = 2;
}

static void spoil_version(struct answer *a)
{
	a->spoil_bytes = bytes_version;
}

static void bytes_length(uint8_t *bytes)
{
	bytes[8]++;
}

static void spoil_length(struct answer *a)
{
	a->spoil_bytes = bytes_length;
}

static void spoil_fewer_fds(struct answer *a)
{
	a->n_fds = 4;
}

static void spoil_no_fds(struct answer *a)
{
	a->n_fds = 0;
}

static void spoil_more_fds(struct answer *a)
{
	a->reply.base.n_fds = 4;
}

static void spoil_count(struct answer *a)
{
	a->reply.base.n_fds = a->n_fds = 4;
}

static void spoil_role(struct answer *a)
{
	a->reply.base.roles[1] = RSSB_ROLE_KEY;
}

static void spoil_unknown_role(struct answer *a)
{
	a->reply.base.roles[4] = 77;
}

static void spoil_refusal_with_fds(struct answer *a)
{
	a->reply.base.status = RSSB_INTERNAL;
}

static void spoil_success_of_op_0(struct answer *a)
{
	a->reply.base.header.op = RSSB_OP_REPLY;
}

static void spoil_hang_up(struct answer *a)
{
	a->hang_up = true;
}

static void spoil_silence(struct answer *a)
{
	a->nothing = true;
}

static struct rlimit limit_before;

/* Room for two more fds in this process, which is client and broker. */
static void leave_room_for_two(void)
{
	struct rlimit limit;
	int lowest = dup(0);

	fd_closep(&(int){ lowest });
	getrlimit(RLIMIT_NOFILE, &limit_before);
	limit = limit_before;
	limit.rlim_cur = (rlim_t)lowest + 2;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void spoil_fd_limit(struct answer *a)
{
	a->before_send = leave_room_for_two;
}

static const struct {
	const char *what;
	void (*spoil)(struct answer *a);
	int want;
	bool usable; /* the connection, afterwards */
	const char *reason;
} wrong[] = {
	{ "another op", spoil_op, -EPROTO, false, "not one of this protocol" },
	{ "another tag", spoil_tag, -EPROTO, false, "not one of this protocol" },
	{ "too short", spoil_short, -EPROTO, false, "not one of this protocol" },
	{ "one byte", spoil_one_byte, -EPROTO, false, "not one of this protocol" },
	{ "too long", spoil_long, -EPROTO, false, "too long" },
	{ "empty, with fds", spoil_empty, -ECONNRESET, false, "closed the connection" },
	{ "magic", spoil_magic, -EPROTO, false, "not one of this protocol" },
	{ "version", spoil_version, -EPROTONOSUPPORT, false, "another version" },
	{ "length", spoil_length, -EPROTO, false, "not one of this protocol" },
	{ "4 of 5 fds", spoil_fewer_fds, -EBADMSG, true, "4 of 5 fds arrived: refused by an LSM" },
	{ "no fds", spoil_no_fds, -EBADMSG, true, "0 of 5 fds arrived" },
	{ "more fds", spoil_more_fds, -EPROTO, false, "not one of this protocol" },
	{ "another count", spoil_count, -EPROTO, true, "other fds than were asked for" },
	{ "another role", spoil_role, -EPROTO, true, "other fds than were asked for" },
	{ "unknown role", spoil_unknown_role, -EPROTO, true, "other fds than were asked for" },
	{ "refusal with fds", spoil_refusal_with_fds, -EREMOTEIO, true, "refuses: internal" },
	{ "success of op 0", spoil_success_of_op_0, -EPROTO, false, "not one of this protocol" },
	{ "hang-up", spoil_hang_up, -ECONNRESET, false, "closed the connection" },
	{ "silence", spoil_silence, -ETIMEDOUT, false, "does not answer" },
	{ "fd limit", spoil_fd_limit, -EBADMSG, true, "refused by an LSM or fd limit" },
};

static void one_wrong_answer(size_t i)
{
	unsigned before = open_fds();
	struct rssb_fds fds = RSSB_FDS_INIT;
	struct fake_broker b = { .spoil = wrong[i].spoil };
	int64_t start = deadline_now_ms();
	struct rssb *c;
	int r;

	print_message("%s\n", wrong[i].what);
	limit_before.rlim_cur = 0;
	fake_broker_start(&b);
	assert_int_equal(rssb_connect(&c, b.path), 0);
	/* Only silence has to be waited for; a busy machine answers late. */
	rssb_set_timeout(c, wrong[i].want == -ETIMEDOUT ? 100 : MINUTE_MS);
	r = acquire(c, RSSB_HANDOFF, &fds);
	if (limit_before.rlim_cur)
		setrlimit(RLIMIT_NOFILE, &limit_before);
	assert_int_equal(r, wrong[i].want);
	assert_non_null(strstr(rssb_reason(c), wrong[i].reason));
	assert_int_equal(fds.prog, -1);
	assert_int_equal(c->sock >= 0, wrong[i].usable);
	if (!wrong[i].usable)
		assert_int_equal(acquire(c, RSSB_HANDOFF, &fds), -ENOTCONN);
	rssb_close(c);
	fake_broker_stop(&b);
	assert_int_equal(open_fds(), before);
	assert_true(deadline_now_ms() - start < MINUTE_MS);
}

static void wrong_answers(void **state)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (wrong[i].spoil != spoil_fd_limit || !fd_limit_is_pretended())
			one_wrong_answer(i);
	}
}

/* One that is kept has no lease: it would stay, and nobody would have it. */
static void a_kept_grant_without_its_fds_is_released(void **state)
{
	struct rssb_acquire_options o = { .size = sizeof(o),
					  .kind = RSSB_MANAGED,
					  .flags = RSSB_GRANT_KEEP,
					  .steering = &steering };
	struct fake_broker b = { .spoil = spoil_no_fds };
	struct rssb_fds fds = RSSB_FDS_INIT;
	struct rssb *c;

	fake_broker_start(&b);
	assert_int_equal(rssb_connect(&c, b.path), 0);
	assert_int_equal(rssb_acquire(c, &o, &fds, NULL), -EBADMSG);
	assert_non_null(strstr(rssb_reason(c), "0 of 1 fds arrived"));
	rssb_close(c);
	fake_broker_stop(&b);
	assert_int_equal(b.requests, 2);
	assert_int_equal(b.last_op, RSSB_OP_RELEASE);
}

static void spoil_every_reply_with_fd(struct answer *a)
{
	a->reply.base.n_fds = a->n_fds = 1;
}

static void fds_where_none_belong(void **state)
{
	unsigned before = open_fds();
	struct fake_broker b = { .spoil = spoil_every_reply_with_fd };
	struct rssb_info info;
	struct rssb *c;

	fake_broker_start(&b);
	assert_int_equal(rssb_connect(&c, b.path), 0);
	assert_int_equal(rssb_info(c, &info), -EPROTO);
	assert_int_equal(rssb_release(c, 1, NULL), -EPROTO);
	rssb_close(c);
	fake_broker_stop(&b);
	assert_int_equal(open_fds(), before);
}

/* --- refusals ---------------------------------------------------------------- */

static unsigned status;

static void spoil_status(struct answer *a)
{
	a->reply.base.status = (uint16_t)status;
	a->reply.base.n_fds = 0;
	a->n_fds = 0;
	a->reply.base.retry_ms = 70 + status;
	strcpy(a->reply.base.reason, "because\033[31m of it");
}

static void refusals_become_errors(void **state)
{
	static const int want[] = { 0,	     -EPROTO,	 -EPROTONOSUPPORT, -ENOSYS,    -EINVAL,
				    -EACCES, -ENOENT,	 -ENOENT,	   -EEXIST,    -EAGAIN,
				    -EDQUOT, -EREMOTEIO, -EOPNOTSUPP,	   -ETIMEDOUT, -EPROTO };

	for (status = RSSB_MALFORMED; status < sizeof(want) / sizeof(want[0]); status++) {
		struct fake_broker b = { .spoil = spoil_status };
		struct rssb *c;

		fake_broker_start(&b);
		assert_int_equal(rssb_connect(&c, b.path), 0);
		assert_int_equal(rssb_release(c, 1, NULL), want[status]);
		assert_string_equal(rssb_reason(c), "because?[31m of it");
		assert_int_equal(rssb_retry_ms(c), 70 + status);
		if (want[status] != -EPROTO && want[status] != -EPROTONOSUPPORT &&
		    want[status] != -ETIMEDOUT)
			assert_int_equal(rssb_release(c, 1, NULL), want[status]);
		else
			assert_int_equal(rssb_release(c, 1, NULL), -ENOTCONN);
		rssb_close(c);
		fake_broker_stop(&b);
	}
}

static void spoil_first_status(struct answer *a)
{
	if (status)
		spoil_status(a);
	status = RSSB_OK;
}

/* How long to wait is what the last request was told. */
static void nothing_to_wait_for_after_success(void **state)
{
	struct fake_broker b = { .spoil = spoil_first_status };
	struct rssb *c;

	status = RSSB_LIMIT;
	fake_broker_start(&b);
	assert_int_equal(rssb_connect(&c, b.path), 0);
	assert_int_equal(rssb_release(c, 1, NULL), -EDQUOT);
	assert_int_equal(rssb_retry_ms(c), 70 + RSSB_LIMIT);
	assert_int_equal(rssb_release(c, 1, NULL), 0);
	assert_int_equal(rssb_retry_ms(c), 0);
	rssb_close(c);
	fake_broker_stop(&b);
}

static pthread_t *gone_first; /* who has to end before recvmsg() receives */

/* In place of the C library's. */
ssize_t recvmsg(int sock, struct msghdr *msg, int flags)
{
	if (gone_first)
		pthread_join(*gone_first, NULL);
	gone_first = NULL;
	return syscall(SYS_recvmsg, sock, msg, flags);
}

/* Says why and hangs up, with the client's request unread or not yet sent. */
static void greet_with_refusal(int sock)
{
	union rssb_reply_any reply = { 0 };
	size_t len;

	reply.base.header.op = RSSB_OP_REPLY;
	reply.base.status = RSSB_LIMIT;
	reply.base.retry_ms = 250;
	strcpy(reply.base.reason, "16 connections are open");
	len = rssb_reply_encode(&reply);
	packet_send(sock, &reply, len, NULL, 0);
	if (status)
		recv(sock, &(char){ 0 }, 1, MSG_PEEK); /* the request is there, unread */
}

static void refusal_before_the_request(void **state)
{
	for (status = 0; status < 2; status++) {
		struct fake_broker b = { .greet = greet_with_refusal };
		struct rssb_info info;
		struct rssb *c;

		fake_broker_start(&b);
		assert_int_equal(rssb_connect(&c, b.path), 0);
		if (status)
			gone_first = &b.thread;
		else
			pthread_join(b.thread, NULL);
		assert_int_equal(rssb_info(c, &info), -EDQUOT);
		assert_string_equal(rssb_reason(c), "16 connections are open");
		assert_int_equal(rssb_retry_ms(c), 250);
		rssb_close(c);
		fake_broker_unlisten(&b);
	}
}

/* --- connecting ------------------------------------------------------------- */

static void connect_fails(const char *path, int want, const char *reason)
{
	unsigned before = open_fds();
	struct rssb *c = NULL;

	assert_int_equal(rssb_connect(&c, path), want);
	assert_non_null(strstr(rssb_reason(c), reason));
	rssb_close(c);
	assert_int_equal(open_fds(), before);
}

static void connect_errors(void **state)
{
	struct fake_broker b = { 0 };
	char path[200];

	fake_broker_listen(&b, SOCK_STREAM, 1);
	connect_fails(b.path, -EPROTOTYPE, "another service's socket");
	fd_closep(&b.listener);
	connect_fails(b.path, -ECONNREFUSED, "no broker listens on");
	unlink(b.path);
	connect_fails(b.path, -ENOENT, "does not exist");
	connect_fails("", -ENOENT, "the path is empty");
	fake_broker_unlisten(&b);

	memset(path, 'x', sizeof(path));
	path[107] = '\0';
	connect_fails(path, -ENOENT, "does not exist");
	path[107] = 'x';
	path[108] = '\0';
	connect_fails(path, -ENAMETOOLONG, "at most 107 bytes");
}

static void connect_takes_the_environment(void **state)
{
	struct fake_broker b = { 0 };
	struct rssb *c;

	fake_broker_start(&b);
	setenv("RSSB_SOCKET", b.path, 1);
	assert_int_equal(rssb_connect(&c, NULL), 0);
	rssb_close(c);
	unsetenv("RSSB_SOCKET");
	fake_broker_stop(&b);
}

/* With a backlog of 0 the second connection waits for an accept(). */
static void connect_waits_for_the_backlog(void **state)
{
	struct fake_broker b = { 0 };
	/* The kernel counts ticks, which an emulator may have missed: it ended 11 ms early, once.
	 */
	struct rssb first = { .sock = -1, .timeout_ms = 400 }, second = first;
	int64_t start;

	fake_broker_listen(&b, SOCK_SEQPACKET, 0);
	assert_int_equal(connection_open(&first, b.path), 0);
	start = deadline_now_ms();
	assert_int_equal(connection_open(&second, b.path), -ETIMEDOUT);
	assert_non_null(strstr(second.reason, "accepts no connection"));
	assert_in_range(deadline_now_ms() - start, 200, MINUTE_MS);

	second.timeout_ms = MINUTE_MS;
	assert_int_equal(pthread_create(&b.thread, NULL, fake_broker_main, &b), 0);
	assert_int_equal(connection_open(&second, b.path), 0);
	assert_true(fcntl(second.sock, F_GETFL) & O_NONBLOCK); /* as one that did not wait */
	fd_closep(&first.sock);
	fd_closep(&second.sock);
	fake_broker_stop(&b);
}

/* How the broker's backlog is full for connect() below, and how often that was called. */
static enum {
	BACKLOG_REAL,
	BACKLOG_OF_WAITERS, /* thousands wait in connect(): who asks finds a place now and then */
	BACKLOG_OF_ASKERS,  /* thousands ask all the time: who waits is woken in the end */
	BACKLOG_INTERRUPTED
} backlog;
static unsigned n_connects;

#define ASKED_IN_VAIN 40 /* more than the library asks before it waits once */

/* In place of the C library's. */
int connect(int sock, const struct sockaddr *address, socklen_t len)
{
	bool waits = !(fcntl(sock, F_GETFL) & O_NONBLOCK), full;

	n_connects++;
	full = backlog == BACKLOG_OF_ASKERS ? !waits
	       : backlog == BACKLOG_REAL    ? false
					    : waits || n_connects <= ASKED_IN_VAIN;
	if (full) {
		errno = backlog == BACKLOG_INTERRUPTED ? EINTR : EAGAIN;
		return -1;
	}
	return (int)syscall(SYS_connect, sock, address, len);
}

/* Whoever else wants a place, and how: a connect gets one. */
static void connect_gets_a_place_before_thousands(void **state)
{
	for (backlog = BACKLOG_OF_WAITERS; backlog <= BACKLOG_INTERRUPTED; backlog++) {
		struct fake_broker b = { 0 };
		struct rssb c = { .sock = -1, .timeout_ms = MINUTE_MS };

		n_connects = 0;
		fake_broker_start(&b);
		assert_int_equal(connection_open(&c, b.path), 0);
		assert_true(n_connects > 1);
		assert_true(fcntl(c.sock, F_GETFL) & O_NONBLOCK);
		fd_closep(&c.sock);
		fake_broker_stop(&b);
	}
	backlog = BACKLOG_REAL;
}

static void on_alarm(int sig)
{
}

/* A signal neither ends a call nor prolongs it. */
static void signals_do_not_matter(void **state)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval often = { { 0, 3000 }, { 0, 3000 } }, off = { 0 };
	struct fake_broker b = { .spoil = spoil_silence };
	int64_t start = deadline_now_ms();
	struct rssb_info info;
	struct rssb *c;

	sigaction(SIGALRM, &action, NULL);
	fake_broker_start(&b);
	assert_int_equal(rssb_connect(&c, b.path), 0);
	rssb_set_timeout(c, 100);
	setitimer(ITIMER_REAL, &often, NULL);
	assert_int_equal(rssb_info(c, &info), -ETIMEDOUT);
	setitimer(ITIMER_REAL, &off, NULL);
	assert_in_range(deadline_now_ms() - start, 95, MINUTE_MS);
	rssb_close(c);
	fake_broker_stop(&b);
}

/* --- what never reaches the broker -------------------------------------------- */

static void bad_arguments(void **state)
{
	struct rssb_acquire_options ok = { .size = sizeof(ok), .kind = RSSB_HANDOFF }, o;
	struct rssb_steering no_key = steering, no_table = steering, large = steering;
	struct rssb_fds fds = RSSB_FDS_INIT;
	struct fake_broker b = { 0 };
	struct rssb *c;

	no_key.key = NULL;
	no_table.table = NULL;
	large.table_len = 129;
	fake_broker_start(&b);
	assert_int_equal(rssb_connect(&c, b.path), 0);
#define REFUSED(member, value)                                                                     \
	o = ok;                                                                                    \
	o.member = value;                                                                          \
	assert_int_equal(rssb_acquire(c, &o, &fds, NULL), -EINVAL);                                \
	assert_true(rssb_reason(c)[0])
	REFUSED(size, 4);
	REFUSED(flags, 4);
	REFUSED(label, "");
	REFUSED(label, "12345678901234567");
	REFUSED(label, "a b");
	REFUSED(steering, &no_key);
	REFUSED(steering, &no_table);
	REFUSED(steering, &large);
#undef REFUSED
	assert_int_equal(rssb_release(c, 0, NULL), -EINVAL);
	assert_int_equal(rssb_release(c, 1, "web"), -EINVAL);
	assert_int_equal(rssb_update(c, 0, NULL, &steering), -EINVAL);
	assert_int_equal(rssb_update(c, 1, NULL, &no_table), -EINVAL);
	assert_int_equal(rssb_acquire(c, &ok, &fds, NULL), 0);
	rssb_fds_close(&fds);
	rssb_close(c);
	fake_broker_stop(&b);
	assert_int_equal(b.requests, 1);
}

/* An object named by its id is that one, or there is none. */
static void another_object(void **state)
{
	static const uint8_t id[RSSB_OBJECT_ID_BYTES] = { [RSSB_OBJECT_ID_BYTES - 1] = 1 };
	struct rssb_acquire_options o = { .size = sizeof(o),
					  .kind = RSSB_HANDOFF,
					  .object_id = id };
	struct rssb_fds fds = RSSB_FDS_INIT;
	unsigned before = open_fds();
	struct fake_broker b = { 0 }; /* has one object, whose id is zero */
	struct rssb *c;
	int fd = -1;

	fake_broker_start(&b);
	assert_int_equal(rssb_connect(&c, b.path), 0);
	assert_int_equal(rssb_acquire(c, &o, &fds, NULL), -EPROTO);
	assert_non_null(strstr(rssb_reason(c), "another object"));
	assert_int_equal(rssb_export(c, id, &fd, NULL), -EPROTO);
	assert_non_null(strstr(rssb_reason(c), "another object"));
	assert_true(fds.prog == -1 && fd == -1);
	rssb_close(c);
	fake_broker_stop(&b);
	assert_int_equal(open_fds(), before);
}

/* A program of another age: shorter structs, and longer ones whose new fields are unused. */
static void sized_options(void **state)
{
	struct {
		struct rssb_acquire_options known;
		uint64_t unknown;
	} newer = { .known = { .size = sizeof(newer), .kind = RSSB_HANDOFF } };
	struct rssb_acquire_options older = { .kind = RSSB_HANDOFF, .label = "not valid" };
	struct rssb_fds fds = RSSB_FDS_INIT;
	struct fake_broker b = { 0 };
	struct rssb *c;

	older.size = offsetof(struct rssb_acquire_options, label);
	fake_broker_start(&b);
	assert_int_equal(rssb_connect(&c, b.path), 0);
	assert_int_equal(rssb_acquire(c, &newer.known, &fds, NULL), 0);
	rssb_fds_close(&fds);
	assert_int_equal(rssb_acquire(c, &older, &fds, NULL), 0);
	rssb_fds_close(&fds);
	newer.unknown = 1;
	assert_int_equal(rssb_acquire(c, &newer.known, &fds, NULL), -EINVAL);
	assert_non_null(strstr(rssb_reason(c), "does not know"));
	rssb_close(c);
	fake_broker_stop(&b);
}

/* What an older program does not have is zero, whatever was there before. */
static void missing_options_are_zero(void **state)
{
	struct rssb_acquire_options older = { .size = offsetof(struct rssb_acquire_options,
							       label) },
				    o;

	memset(&o, 0xff, sizeof(o));
	assert_int_equal(fill_options(&o, sizeof(o), &older), 0);
	assert_null(o.label);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_answers),
		cmocka_unit_test(managed_and_kept),
		cmocka_unit_test(wrong_answers),
		cmocka_unit_test(a_kept_grant_without_its_fds_is_released),
		cmocka_unit_test(fds_where_none_belong),
		cmocka_unit_test(refusals_become_errors),
		cmocka_unit_test(nothing_to_wait_for_after_success),
		cmocka_unit_test(refusal_before_the_request),
		cmocka_unit_test(connect_errors),
		cmocka_unit_test(connect_takes_the_environment),
		cmocka_unit_test(connect_waits_for_the_backlog),
		cmocka_unit_test(connect_gets_a_place_before_thousands),
		cmocka_unit_test(signals_do_not_matter),
		cmocka_unit_test(bad_arguments),
		cmocka_unit_test(another_object),
		cmocka_unit_test(sized_options),
		cmocka_unit_test(missing_options_are_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
