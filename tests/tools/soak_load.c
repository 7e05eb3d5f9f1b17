// SPDX-License-Identifier: MIT
/*
 * Clients of several users that make requests as fast as they can: right ones of every
 * operation, wrong ones, such with fds, half-closed, hung up on, killed.  It must
 * never wait for a reply for ever, and leaves no grant.
 *
 * usage: soak_load SOCKET REQUESTS UID...
 *	One client (process) a UID, which may be named more than once; they share the
 *	requests.  A request is whatever was sent in the place of one.
 *
 * Prints one JSON object: requests, seconds, replies by status, and how many requests
 * had none (the broker hung up, or nobody waited).  Ends with status 1 if the broker
 * refused a connection, kept somebody waiting for 10 s, sent a part of its fds, or said
 * "internal".
 */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/codec.h"
#include "proto/packet.h"
#include "proto/text.h"
#include "proto/util/fd.h"

#define CLIENTS_MAX 32
#define STATUSES    (RSSB_TIMEOUT + 1)
#define WAIT_MS	    10000

/* What one client counts; only its own process writes it. */
static struct counts {
	unsigned long requests, unanswered, status[STATUSES];
} * counts;

static struct sockaddr_un address = { .sun_family = AF_UNIX };

/* This client. */
static struct counts *mine;
static uint64_t chance;
static int sock = -1, lease = -1;
static uint64_t grant_id; /* of the last grant, which may have ended */

static void die(const char *what)
{
	perror(what);
	_exit(1);
}

/* xorshift64: another sequence for each client, the same ones each time. */
static unsigned pick(unsigned n)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (unsigned)(chance >> 33) % n;
}

/* --- the connection -------------------------------------------------------------- */

static void connection_need(void)
{
	if (sock >= 0)
		return;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof(address)))
		die("soak_load: connect");
}

static void request_send(const void *data, size_t len, const int *fds, size_t n_fds)
{
	connection_need();
	mine->requests++;
	if (packet_send(sock, data, len, fds, n_fds)) /* a reply may lie there already */
		mine->unanswered += n_fds != 0;	      /* or EPERM: it takes no fds */
}

/* Keeps a grant's lease, and lets go of everything else that came. */
static void reply_take(struct packet *p)
{
	struct rssb_reply_acquire reply;

	memcpy(&reply, p->data, sizeof(reply));
	if (reply.reply.status >= STATUSES || reply.reply.status == RSSB_INTERNAL) {
		fprintf(stderr, "soak_load: status %u: %.160s\n", reply.reply.status,
			reply.reply.reason);
		_exit(1);
	}
	if (reply.reply.n_fds != p->n_fds) {
		fprintf(stderr, "soak_load: %zu of %u fds\n", p->n_fds, reply.reply.n_fds);
		_exit(1);
	}
	mine->status[reply.reply.status]++;
	if (reply.reply.status == RSSB_OK && p->n_fds >= 2) {
		grant_id = reply.grant_id;
		fd_closep(&lease);
		lease = fd_take(&p->fds[--p->n_fds]); /* the last of a grant's */
	}
	packet_done(p);
}

/* Reads one reply, or learns that there is none. */
static void reply_read(void)
{
	struct pollfd wait = { .fd = sock, .events = POLLIN };
	struct packet p;
	int err;

	if (poll(&wait, 1, WAIT_MS) != 1) {
		fprintf(stderr, "soak_load: no answer in %d ms\n", WAIT_MS);
		_exit(1);
	}
	errno = 0;
	err = packet_recv(sock, &p);
	if (err == -ECONNRESET && errno == ECONNRESET) /* what was said first lies behind that */
		err = packet_recv(sock, &p);
	if (!err && p.len >= sizeof(struct rssb_reply)) {
		reply_take(&p);
		return;
	}
	packet_done(&p);
	mine->unanswered++;
	fd_closep(&sock);
}

/* --- requests ---------------------------------------------------------------------- */

static void steering_fill(struct rssb_steering_wire *s)
{
	*s = (struct rssb_steering_wire){
		.hash_types = 1 + pick(RSSB_HASH_ALL),
		.queues = 4,
		.table_len = (uint16_t)(1u << pick(8)),
		.key_len = RSSB_KEY_LEN,
	};
	for (unsigned i = 0; i < sizeof(s->key); i++)
		s->key[i] = (uint8_t)pick(256);
	for (unsigned i = 0; i < s->table_len; i++)
		s->table[i] = (uint16_t)pick(s->queues);
}

/* One that is right; returns its length. */
static size_t request_make(union rssb_request *r, unsigned op)
{
	memset(r, 0, sizeof(*r));
	r->header.op = (uint16_t)op;
	r->header.tag = pick(1000);
	switch (op) {
	case RSSB_OP_OBJECT:
		r->object.index = pick(3);
		break;
	case RSSB_OP_ACQUIRE:
		r->acquire.kind = (uint16_t)(RSSB_KIND_HANDOFF + pick(3));
		r->acquire.flags = pick(4) ? 0 : RSSB_ACQUIRE_STATS;
		r->acquire.object.abi = RSSB_ABI_QEMU_RSS_1;
		steering_fill(&r->acquire.steering);
		break;
	case RSSB_OP_EXPORT:
		r->export.object.abi = RSSB_ABI_QEMU_RSS_1;
		break;
	case RSSB_OP_RELEASE:
	case RSSB_OP_STATS:
	case RSSB_OP_UPDATE:
		r->release.grant.id = grant_id ? grant_id : 7; /* the same place in all three */
		if (op == RSSB_OP_UPDATE)
			steering_fill(&r->update.steering);
		break;
	default:
		break;
	}
	return rssb_request_encode(r);
}

static size_t request_any(union rssb_request *r)
{
	/* The kernel takes milliseconds for a set, microseconds for all the others. */
	static const struct {
		unsigned op, weight; /* of 20 */
	} ops[] = {
		{ RSSB_OP_ACQUIRE, 1 }, { RSSB_OP_EXPORT, 1 }, { RSSB_OP_RELEASE, 1 },
		{ RSSB_OP_UPDATE, 5 },	{ RSSB_OP_STATS, 2 },  { RSSB_OP_INFO, 3 },
		{ RSSB_OP_OBJECT, 3 },	{ RSSB_OP_STATUS, 2 }, { RSSB_OP_GRANT, 2 },
	};
	unsigned n = pick(20), i = 0;

	while (n >= ops[i].weight)
		n -= ops[i++].weight;
	return request_make(r, ops[i].op);
}

static void ask_right(void)
{
	union rssb_request r;
	size_t len = request_any(&r);

	request_send(&r, len, NULL, 0);
	reply_read();
}

/* A byte changed, cut off anywhere, too long, or nothing at all. */
static void ask_wrong(void)
{
	union {
		union rssb_request request;
		uint8_t bytes[RSSB_REQUEST_MAX + 88];
	} u = { 0 };
	size_t len = request_any(&u.request);

	switch (pick(4)) {
	case 0:
		len = pick((unsigned)len);
		break;
	case 1:
		len = sizeof(u);
		break;
	default:
		u.bytes[pick((unsigned)len)] ^= (uint8_t)(1 + pick(255));
	}
	request_send(&u, len, NULL, 0);
	reply_read();
}

/* The second comes before the first one's reply was read. */
static void ask_early(void)
{
	union rssb_request r;
	size_t len = request_make(&r, RSSB_OP_INFO);

	request_send(&r, len, NULL, 0);
	request_send(&r, len, NULL, 0);
	reply_read();
	mine->unanswered++;
	fd_closep(&sock);
}

static void ask_with_fds(void)
{
	union rssb_request r;
	size_t len = request_any(&r);
	int fds[RSSB_FDS_MAX], n = 1 + (int)pick(RSSB_FDS_MAX);

	connection_need();
	for (int i = 0; i < n; i++)
		fds[i] = pick(2) ? sock : STDERR_FILENO;
	request_send(&r, len, fds, (size_t)n);
	fd_closep(&sock);
}

static void ask_and_half_close(void)
{
	union rssb_request r;
	size_t len = request_any(&r);

	request_send(&r, len, NULL, 0);
	shutdown(sock, SHUT_WR);
	reply_read();
	fd_closep(&sock);
}

/* Before the reply comes, or with it unread. */
static void ask_and_hang_up(void)
{
	union rssb_request r;
	size_t len = request_any(&r);

	request_send(&r, len, NULL, 0);
	if (pick(2))
		usleep(100);
	mine->unanswered++;
	fd_closep(&sock);
}

static void only_connect(void)
{
	fd_closep(&sock);
	connection_need();
	fd_closep(&sock);
	mine->requests++;
	mine->unanswered++;
}

static void ask_and_be_killed(void)
{
	pid_t pid = fork();

	if (!pid) {
		sock = -1; /* the parent's stays its own */
		if (pick(2))
			ask_right();
		else
			ask_and_hang_up();
		raise(SIGKILL);
	}
	waitpid(pid, NULL, 0);
}

static const struct {
	unsigned weight; /* of 1000 */
	void (*ask)(void);
} ways[] = {
	{ 700, ask_right },   { 150, ask_wrong },	  { 20, ask_early },
	{ 30, ask_with_fds }, { 30, ask_and_half_close }, { 48, ask_and_hang_up },
	{ 20, only_connect }, { 2, ask_and_be_killed },
};

static void ask_somehow(void)
{
	unsigned n = pick(1000), i = 0;

	while (n >= ways[i].weight)
		n -= ways[i++].weight;
	ways[i].ask();
}

/* --- all of them -------------------------------------------------------------------- */

static void client_run(struct counts *c, unsigned long requests, uid_t uid, unsigned number)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		die("soak_load: setresuid");
	mine = c;
	chance = 0x9e3779b97f4a7c15ull * (number + 1);
	while (c->requests < requests)
		ask_somehow();
	_exit(0);
}

static void report(unsigned n, double seconds)
{
	struct counts sum = { 0 };

	for (unsigned i = 0; i < n; i++) {
		sum.requests += counts[i].requests;
		sum.unanswered += counts[i].unanswered;
		for (unsigned s = 0; s < STATUSES; s++)
			sum.status[s] += counts[i].status[s];
	}
	printf("{\"requests\": %lu, \"seconds\": %.3f, \"unanswered\": %lu, \"replies\": {",
	       sum.requests, seconds, sum.unanswered);
	for (unsigned s = 0; s < STATUSES; s++)
		printf("%s\"%s\": %lu", s ? ", " : "", rssb_status_name(s), sum.status[s]);
	puts("}}");
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	unsigned n = argc > 3 ? (unsigned)argc - 3 : 0;
	unsigned long requests = n ? strtoul(argv[2], NULL, 10) : 0;
	double begin = now();
	int status, failed = 0;

	if (!requests || n > CLIENTS_MAX) {
		fprintf(stderr, "usage: soak_load SOCKET REQUESTS UID...\n");
		return 2;
	}
	counts = mmap(NULL, CLIENTS_MAX * sizeof(*counts), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED)
		die("soak_load: mmap");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[1]);
	for (unsigned i = 0; i < n; i++) {
		if (!fork())
			client_run(&counts[i], (requests + n - 1) / n,
				   (uid_t)strtoul(argv[3 + i], NULL, 10), i);
	}
	while (wait(&status) > 0)
		failed |= status;
	report(n, now() - begin);
	return failed ? 1 : 0;
}
