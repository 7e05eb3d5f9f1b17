// SPDX-License-Identifier: MIT
/*
 * How long ACQUIRE takes a client, from socket() to the fds in hand: the same
 * request to the broker and to the bare floor, by system calls alone or through
 * librssb.  It must never count closing what it got, nor its pauses.
 *
 * usage: request --socket PATH [--library] [--clients N] [--bursts N]
 *                [--burst N] [--pause-us N] [--keep | --hold] [--retry] [--uids FIRST]
 *	Each of N clients (processes) makes a burst of requests one after the
 *	other, all begin each burst together; before each is a pause.  --keep
 *	keeps what was granted until the last burst, as a VM does: else the
 *	kernel frees one set while the next is asked for.  --hold keeps it
 *	until stdin ends (one client only).  --retry asks again when it is told
 *	"busy", as a VM does, and counts from the first time.  --uids: started
 *	as root, the first client is of this uid, the next of the next; all of
 *	the group of that number.
 *
 * Of more than 50 clients 50 end at a time (gradually.h), also when this process is killed.
 *
 * Prints one JSON object: requests, busy, seconds (pauses left out), histogram, and first_quarter:
 * the seconds until the last request was answered of those clients that asked first, a quarter of
 * all.
 */
#include <getopt.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/include/rssb.h"
#include "tests/bench/clock.h"
#include "proto/codec.h"
#include "proto/util/fd.h"
#include "tests/bench/gradually.h"
#include "tests/bench/histogram.h"

#define CLIENTS_MAX 512
#define RETRY_US    5000
#define WAIT_US	    20000
#define TABLE_LEN   128
#define QUEUES	    4

static struct {
	const char *socket;
	int library, keep, hold, retry; /* flags */
	unsigned clients, bursts, burst, pause_us, uids;
} options = { .clients = 1, .bursts = 1, .burst = 1 };

/* What one client counts; only its own process writes it. */
struct counts {
	uint64_t requests, busy, active_ns;
	uint64_t asked_ns, served_ns; /* the first request of the last burst, and its last */
	struct histogram latency;
};

static struct shared {
	pthread_barrier_t start;
	_Atomic unsigned n_done, n_may_end;
	struct counts counts[CLIENTS_MAX];
} * shared;

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static union rssb_request wire;
static size_t wire_len;
static uint16_t table[TABLE_LEN];
static uint8_t key[RSSB_KEY_BYTES];

static void die(const char *what)
{
	perror(what);
	_exit(1);
}

static void steering_init(void)
{
	for (unsigned i = 0; i < TABLE_LEN; i++)
		table[i] = (uint16_t)(i % QUEUES);
	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(37 * i + 109);
}

/* The bytes of a handoff of four queues; the same ones each time. */
static void wire_init(void)
{
	struct rssb_request_acquire *a = &wire.acquire;

	a->header.op = RSSB_OP_ACQUIRE;
	a->header.tag = 1;
	a->kind = RSSB_KIND_HANDOFF;
	a->object.abi = RSSB_ABI_QEMU_RSS_1;
	a->steering = (struct rssb_steering_wire){
		.hash_types = RSSB_HASH_ALL,
		.queues = QUEUES,
		.table_len = TABLE_LEN,
		.key_len = RSSB_KEY_LEN,
	};
	memcpy(a->steering.key, key, sizeof(key));
	memcpy(a->steering.table, table, sizeof(table));
	wire_len = rssb_request_encode(&wire);
}

/* Whether the reply is a grant (true) or says "busy". */
static bool reply_granted(const struct rssb_reply *reply, size_t n_fds)
{
	if (reply->status == RSSB_OK && n_fds == RSSB_FDS_MAX)
		return true;
	if (reply->status != RSSB_BUSY) {
		fprintf(stderr, "request: refused: %.*s\n", (int)sizeof(reply->reason),
			reply->reason);
		_exit(1);
	}
	return false;
}

/* One ACQUIRE by system calls alone; returns its duration in ns, 0 for busy. */
static uint64_t acquire_raw(void)
{
	union {
		struct cmsghdr header;
		char buf[CMSG_SPACE(RSSB_FDS_MAX * sizeof(int))];
	} control;
	struct rssb_reply_acquire reply;
	struct iovec iov = { &reply, sizeof(reply) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	uint64_t begin = clock_ns(), ns;
	_cleanup_fd_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	size_t n_fds = 0;

	if (connect(sock, (struct sockaddr *)&address, sizeof(address)))
		die("request: connect");
	if (send(sock, &wire, wire_len, MSG_NOSIGNAL) < 0)
		die("request: send");
	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) < (ssize_t)sizeof(reply.reply))
		die("request: recvmsg");
	ns = clock_ns() - begin;

	if (msg.msg_controllen)
		n_fds = (control.header.cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (size_t i = 0; i < n_fds; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(&control.header) + i * sizeof(fd), sizeof(fd));
		if (!options.keep && !options.hold)
			fd_closep(&fd);
	}
	return reply_granted(&reply.reply, n_fds) ? ns : 0;
}

/* The same through librssb. */
static uint64_t acquire_library(void)
{
	const struct rssb_steering steering = {
		.size = sizeof(steering),
		.hash_types = RSSB_HASH_ALL,
		.queues = QUEUES,
		.table_len = TABLE_LEN,
		.table = table,
		.key = key,
	};
	const struct rssb_acquire_options what = {
		.size = sizeof(what),
		.kind = RSSB_HANDOFF,
		.steering = &steering,
	};
	struct rssb_fds fds = RSSB_FDS_INIT;
	uint64_t begin = clock_ns(), ns;
	struct rssb *broker;
	int err = rssb_connect(&broker, options.socket);

	if (!err)
		err = rssb_acquire(broker, &what, &fds, NULL);
	ns = clock_ns() - begin;
	if (err && err != -EAGAIN) {
		fprintf(stderr, "request: %s\n", broker ? rssb_reason(broker) : strerror(-err));
		_exit(1);
	}
	if (!options.keep && !options.hold)
		rssb_fds_close(&fds);
	rssb_close(broker);
	return err ? 0 : ns;
}

static uint64_t acquire(void)
{
	return options.library ? acquire_library() : acquire_raw();
}

/* Until it is granted. */
static uint64_t acquire_again(void)
{
	const uint64_t begin = clock_ns();

	while (!acquire())
		usleep(RETRY_US);
	return clock_ns() - begin;
}

static void client_burst(struct counts *c)
{
	uint64_t begin = clock_ns();

	for (unsigned i = 0; i < options.burst; i++) {
		uint64_t ns = options.retry ? acquire_again() : acquire();

		c->requests += ns > 0;
		c->busy += ns == 0;
		if (ns)
			histogram_add(&c->latency, ns);
	}
	c->asked_ns = begin;
	c->served_ns = clock_ns();
	c->active_ns += c->served_ns - begin;
}

/* Many that are killed at once would free their sets at once; before they have any they may be. */
static void client_run(struct counts *c, bool many)
{
	for (unsigned i = 0; i < options.bursts; i++) {
		if (options.pause_us)
			usleep(options.pause_us);
		pthread_barrier_wait(&shared->start);
		if (many)
			prctl(PR_SET_PDEATHSIG, 0);
		client_burst(c);
		if (many && i + 1 < options.bursts)
			prctl(PR_SET_PDEATHSIG, SIGKILL); /* else they would wait for ever */
	}
}

static void shared_init(void)
{
	pthread_barrierattr_t attr;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		die("request: mmap");
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->start, &attr, options.clients);
}

/* Says that all is granted, and keeps it. */
static void hold(void)
{
	puts("held");
	fflush(stdout);
	while (getchar() != EOF)
		;
}

/* In a client, which has done what it had to; i: which of them.  Nobody else may end the others. */
static void end_wait(unsigned i, pid_t parent)
{
	shared->n_done++;
	while (i >= shared->n_may_end && getppid() == parent)
		usleep(WAIT_US);
	if (getppid() != parent) /* killed: nobody says when */
		usleep(i / GRADUALLY_AT_ONCE * GRADUALLY_REST_US);
}

/* Once all have done, or one has failed. */
static void ends_allow(void)
{
	siginfo_t info = { 0 };

	while (shared->n_done < options.clients && !info.si_pid) {
		usleep(WAIT_US);
		waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
	}
	for (unsigned n = 0; n < options.clients; n += GRADUALLY_AT_ONCE) {
		int before = gradually_programs();

		shared->n_may_end = n + GRADUALLY_AT_ONCE;
		gradually_wait(before, GRADUALLY_AT_ONCE);
	}
	shared->n_may_end = CLIENTS_MAX;
}

/* As one of the VMs of a host that has a user for each. */
static void become(unsigned i)
{
	if (setgroups(0, NULL) || setresgid(options.uids, options.uids, options.uids) ||
	    setresuid(options.uids + i, options.uids + i, options.uids + i))
		die("request: --uids");
}

static void client_main(unsigned i, pid_t parent)
{
	const bool many = options.clients > GRADUALLY_AT_ONCE;

	if (many) {
		signal(SIGINT, SIG_IGN);
		signal(SIGTERM, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
	}
	if (options.uids)
		become(i); /* above the next line, which it would undo */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	client_run(&shared->counts[i], many);
	if (options.hold)
		hold();
	if (many)
		end_wait(i, parent);
	_exit(0);
}

/* Returns whether every client came to its end. */
static bool clients_run(void)
{
	const pid_t parent = getpid();
	pid_t pids[CLIENTS_MAX];
	bool good = true;
	int status;

	for (unsigned i = 0; i < options.clients; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			die("request: fork");
		if (!pids[i])
			client_main(i, parent);
	}
	if (options.clients > GRADUALLY_AT_ONCE)
		ends_allow();
	while (wait(&status) > 0) {
		/* The others would wait for the missing one for ever. */
		for (unsigned i = 0; status && good && i < options.clients; i++) {
			kill(pids[i], SIGKILL);
			if (i % GRADUALLY_AT_ONCE == GRADUALLY_AT_ONCE - 1)
				usleep(GRADUALLY_REST_US);
		}
		good = good && !status;
	}
	return good;
}

static int asked_before(const void *a, const void *b)
{
	const struct counts *x = a, *y = b;

	return (x->asked_ns > y->asked_ns) - (x->asked_ns < y->asked_ns);
}

/* Sorts the counts. */
static double first_quarter_seconds(void)
{
	uint64_t last = 0;

	qsort(shared->counts, options.clients, sizeof(shared->counts[0]), asked_before);
	for (unsigned i = 0; i < (options.clients + 3) / 4; i++)
		if (shared->counts[i].served_ns > last)
			last = shared->counts[i].served_ns;
	return (double)(last - shared->counts[0].asked_ns) / 1e9;
}

static void report(void)
{
	struct counts sum = { 0 };

	for (unsigned i = 0; i < options.clients; i++) {
		const struct counts *c = &shared->counts[i];

		sum.requests += c->requests;
		sum.busy += c->busy;
		if (c->active_ns > sum.active_ns)
			sum.active_ns = c->active_ns;
		histogram_merge(&sum.latency, &c->latency);
	}
	printf("{\"requests\": %llu, \"busy\": %llu, \"seconds\": %.9f, \"first_quarter\": %.9f, "
	       "\"histogram\": ",
	       (unsigned long long)sum.requests, (unsigned long long)sum.busy,
	       (double)sum.active_ns / 1e9, first_quarter_seconds());
	histogram_print(&sum.latency);
	puts("}");
}

static unsigned number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

static bool options_read(int argc, char **argv)
{
	static const struct option known[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "library", no_argument, &options.library, 1 },
		{ "clients", required_argument, NULL, 'c' },
		{ "bursts", required_argument, NULL, 'n' },
		{ "burst", required_argument, NULL, 'b' },
		{ "pause-us", required_argument, NULL, 'p' },
		{ "uids", required_argument, NULL, 'u' },
		{ "keep", no_argument, &options.keep, 1 },
		{ "hold", no_argument, &options.hold, 1 },
		{ "retry", no_argument, &options.retry, 1 },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 's':
			options.socket = optarg;
			break;
		case 0: /* a flag */
			break;
		case 'c':
			options.clients = number(optarg);
			break;
		case 'n':
			options.bursts = number(optarg);
			break;
		case 'b':
			options.burst = number(optarg);
			break;
		case 'p':
			options.pause_us = number(optarg);
			break;
		case 'u':
			options.uids = number(optarg);
			break;
		default:
			return false;
		}
	}
	return optind == argc && options.socket && options.clients >= 1 &&
	       options.clients <= (options.hold ? 1 : CLIENTS_MAX);
}

/* What is kept is five fds a grant. */
static void nofile_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		die("request: RLIMIT_NOFILE");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("request: RLIMIT_NOFILE");
}

int main(int argc, char **argv)
{
	if (!options_read(argc, argv)) {
		fprintf(stderr, "usage: request --socket PATH [--library] [--clients N] "
				"[--bursts N] [--burst N] [--pause-us N] [--keep | --hold] "
				"[--retry] [--uids FIRST]\n");
		return 2;
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", options.socket);
	nofile_raise();
	steering_init();
	wire_init();
	shared_init();
	if (!clients_run())
		return 1;
	report();
	return 0;
}
