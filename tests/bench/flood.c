// SPDX-License-Identifier: MIT
/*
 * A hostile client: one flood, by several processes of one user, until stdin
 * ends.  It obeys no limit and waits for nobody, and must never do by accident
 * what its name does not say: each flood is one row of attacks[].
 *
 * usage: flood --socket PATH [--processes N] ATTACK
 *
 * Prints one JSON object: attempts, refused (by the kernel: the backlog was
 * full), seconds.
 */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/clock.h"
#include "proto/codec.h"
#include "proto/util/fd.h"
#include "proto/packet.h"

#define PROCESSES_MAX 16
#define HELD_MAX      1024 /* connections, of one process */
#define KEPT_MAX      400 /* fds that it was given: of 100 sets, and gradually.h says why no more */

enum words { NOTHING, GARBAGE, INFO, ACQUIRE, ACQUIRE_COUNTING, STATS, WORDS };

/* What to do with a connection once the words are said. */
enum manner {
	VISIT,	 /* reads the reply if there are words to answer, closes, comes again */
	LEAVE,	 /* closes at once */
	STAY,	 /* never reads, never closes; comes again when it was hung up on */
	CONVERSE /* reads the reply, says the words again, on the same connection */
};

struct attack {
	const char *name;
	enum words words;
	enum manner manner;
	unsigned held;	     /* connections at once, of all processes; 0: one each */
	unsigned threads;    /* of all processes, that wait in connect(2); 0: nobody waits */
	unsigned per_second; /* attempts of all processes; 0: as many as it can */
	bool half_close;     /* after the words */
	bool hoard;	     /* close the lease, keep what else was given */
};

static const struct attack attacks[] = {
	{ "silent", NOTHING, STAY, .held = 64 },
	{ "slow", INFO, CONVERSE, .held = 16, .per_second = 16 },
	{ "unread", ACQUIRE, STAY, .held = 64 },
	{ "half-close", ACQUIRE, LEAVE, .half_close = true },
	{ "half-close-early", NOTHING, LEAVE, .half_close = true },
	{ "thousand-unread", ACQUIRE, STAY, .held = 1000 },
	{ "connects-10000", NOTHING, LEAVE, .per_second = 10000 },
	{ "connects", NOTHING, LEAVE },
	{ "threads", NOTHING, LEAVE, .threads = 2500 },
	{ "requests-1000", INFO, CONVERSE, .held = 16, .per_second = 1000 },
	{ "requests", INFO, CONVERSE, .held = 16 },
	{ "stats", STATS, CONVERSE, .held = 16 },
	{ "malformed", GARBAGE, VISIT },
	{ "acquires", ACQUIRE, VISIT },
	{ "acquires-counting", ACQUIRE_COUNTING, VISIT },
	{ "hoard", ACQUIRE, VISIT, .hoard = true },
};

static struct {
	const char *socket;
	const struct attack *attack;
	unsigned processes;
} options = { .processes = 4 };

static struct shared {
	bool stop;
	uint64_t attempts[PROCESSES_MAX], refused[PROCESSES_MAX];
} * shared;

/* One process's own. */
static struct {
	unsigned number;
	int held[HELD_MAX], kept[KEPT_MAX];
	unsigned n_held, n_kept;
	uint64_t next_ns;
} me;

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static struct {
	union rssb_request wire;
	size_t len;
} says[WORDS];

static void die(const char *what)
{
	perror(what);
	_exit(1);
}

static void words_init(void)
{
	const struct rssb_request_acquire acquire = {
		.header.op = RSSB_OP_ACQUIRE,
		.kind = RSSB_KIND_HANDOFF,
		.flags = RSSB_ACQUIRE_NO_CONFIG,
		.object.abi = RSSB_ABI_QEMU_RSS_1,
	};

	says[GARBAGE].len = 100; /* of zeros */
	says[INFO].wire.info.header.op = RSSB_OP_INFO;
	says[ACQUIRE].wire.acquire = says[ACQUIRE_COUNTING].wire.acquire = acquire;
	says[ACQUIRE_COUNTING].wire.acquire.flags |= RSSB_ACQUIRE_STATS;
	says[STATS].wire.stats.header.op = RSSB_OP_STATS;
	for (enum words w = INFO; w < WORDS; w++)
		says[w].len = rssb_request_encode(&says[w].wire);
}

/* --- one connection ---------------------------------------------------------- */

/* Not one attempt too early. */
static void pace(void)
{
	unsigned per_second = options.attack->per_second;
	struct timespec t;

	__atomic_add_fetch(&shared->attempts[me.number], 1, __ATOMIC_RELAXED);
	if (!per_second)
		return;
	me.next_ns += 1000000000ull * options.processes / per_second;
	t = (struct timespec){ me.next_ns / 1000000000, me.next_ns % 1000000000 };
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* -1: the backlog is full. */
static int dial(void)
{
	int wait = options.attack->threads ? 0 : SOCK_NONBLOCK;
	_cleanup_fd_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | wait, 0);

	if (sock < 0)
		die("flood: socket");
	if (!connect(sock, (const struct sockaddr *)&address, sizeof(address)))
		return fd_take(&sock);
	if (errno != EAGAIN)
		die("flood: connect");
	__atomic_add_fetch(&shared->refused[me.number], 1, __ATOMIC_RELAXED);
	return -1;
}

/* Whether they could be said. */
static bool speak(int sock)
{
	enum words words = options.attack->words;

	if (words != NOTHING && send(sock, &says[words].wire, says[words].len, MSG_NOSIGNAL) < 0)
		return false;
	if (options.attack->half_close)
		shutdown(sock, SHUT_WR);
	return true;
}

/* All but the lease, which comes last; what no longer fits goes. */
static void hoard(struct packet *p)
{
	while (p->n_fds && me.n_kept < KEPT_MAX - RSSB_FDS_MAX && p->n_fds > 1) {
		p->n_fds--;
		fd_closep(&p->fds[p->n_fds]);
		while (p->n_fds)
			me.kept[me.n_kept++] = p->fds[--p->n_fds];
	}
}

/* Waits for the reply and takes it; false: it was hung up on. */
static bool hear(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	struct packet packet;
	int err = -EAGAIN;

	while (err == -EAGAIN && !shared->stop) {
		poll(&p, 1, 100);
		err = packet_recv(sock, &packet);
		if (!err && options.attack->hoard)
			hoard(&packet);
		packet_done(&packet);
	}
	return !err;
}

/* --- the manners ------------------------------------------------------------- */

static void visit(void)
{
	_cleanup_fd_ int sock = -1;

	pace();
	sock = dial();
	if (sock >= 0 && speak(sock) && options.attack->manner == VISIT)
		hear(sock);
}

/* Fills the places that are free, or were taken away. */
static void stay(void)
{
	for (unsigned i = 0; i < me.n_held && !shared->stop; i++) {
		struct pollfd p = { .fd = me.held[i], .events = POLLRDHUP };

		if (me.held[i] >= 0 && !poll(&p, 1, 0))
			continue;
		fd_closep(&me.held[i]);
		pace();
		me.held[i] = dial();
		if (me.held[i] >= 0)
			speak(me.held[i]);
	}
}

static void converse(void)
{
	for (unsigned i = 0; i < me.n_held && !shared->stop; i++) {
		pace();
		if (me.held[i] < 0)
			me.held[i] = dial();
		if (me.held[i] >= 0 && (!speak(me.held[i]) || !hear(me.held[i])))
			fd_closep(&me.held[i]);
	}
}

static void *visit_for_ever(void *arg)
{
	while (!shared->stop)
		visit();
	return arg;
}

/* They end with their process. */
static void threads_start(unsigned n)
{
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 << 10);
	for (unsigned i = 0; i < n; i++) {
		pthread_t thread;

		if (pthread_create(&thread, &small, visit_for_ever, NULL))
			die("flood: pthread_create");
	}
}

/* A grant to ask for the statistics of; its fds stay open, so it stays, too. */
static void grant_get(void)
{
	int sock = dial();
	struct pollfd p = { .fd = sock, .events = POLLIN };
	union rssb_reply_any reply;
	struct packet packet;

	if (sock < 0 ||
	    send(sock, &says[ACQUIRE_COUNTING].wire, says[ACQUIRE_COUNTING].len, 0) < 0 ||
	    poll(&p, 1, 10000) != 1 || packet_recv(sock, &packet) ||
	    rssb_reply_decode(&reply, packet.data, packet.len))
		die("flood: no grant");
	says[STATS].wire.stats.header.op = RSSB_OP_STATS;
	says[STATS].wire.stats.grant.id = reply.acquire.grant_id;
	says[STATS].len = rssb_request_encode(&says[STATS].wire);
}

static void flood(unsigned number)
{
	static void (*const manners[])(
		void) = { [VISIT] = visit, [LEAVE] = visit, [STAY] = stay, [CONVERSE] = converse };

	const struct attack *attack = options.attack;

	assert(attack); /* as options_read() has it */
	me.number = number;
	me.n_held = (attack->held + options.processes - 1) / options.processes;
	me.next_ns = clock_ns();
	memset(me.held, -1, sizeof(me.held));
	if (attack->words == STATS)
		grant_get();
	if (attack->threads)
		threads_start(attack->threads / options.processes - 1);
	while (!shared->stop)
		manners[attack->manner]();
}

/* --- the processes ----------------------------------------------------------- */

static void processes_start(pid_t parent)
{
	for (unsigned i = 0; i < options.processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("flood: fork");
		if (pid)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			flood(i);
		_exit(0);
	}
}

/* Whether all came to a good end. */
static bool processes_end(void)
{
	bool good = true;
	int status;

	shared->stop = true;
	while (wait(&status) > 0)
		good = good && !status;
	return good;
}

static void report(uint64_t ns)
{
	uint64_t attempts = 0, refused = 0;

	for (unsigned i = 0; i < options.processes; i++) {
		attempts += shared->attempts[i];
		refused += shared->refused[i];
	}
	printf("{\"attempts\": %llu, \"refused\": %llu, \"seconds\": %.3f}\n",
	       (unsigned long long)attempts, (unsigned long long)refused, (double)ns / 1e9);
}

static const struct attack *attack_find(const char *name)
{
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		if (!strcmp(name, attacks[i].name))
			return &attacks[i];
	}
	return NULL;
}

static bool options_read(int argc, char **argv)
{
	static const struct option known[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "processes", required_argument, NULL, 'p' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 's')
			options.socket = optarg;
		else if (c == 'p')
			options.processes = (unsigned)strtoul(optarg, NULL, 10);
		else
			return false;
	}
	options.attack = optind == argc - 1 ? attack_find(argv[optind]) : NULL;
	return options.socket && options.attack && options.processes >= 1 &&
	       options.processes <= PROCESSES_MAX;
}

int main(int argc, char **argv)
{
	uint64_t begin;

	if (!options_read(argc, argv)) {
		fprintf(stderr, "usage: flood --socket PATH [--processes N] ATTACK\n");
		return 2;
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", options.socket);
	words_init();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		die("flood: mmap");
	begin = clock_ns();
	processes_start(getpid());
	while (getchar() != EOF)
		;
	if (!processes_end())
		return 1;
	report(clock_ns() - begin);
	return 0;
}
