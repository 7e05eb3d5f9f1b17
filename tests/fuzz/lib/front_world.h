/* SPDX-License-Identifier: MIT */
/*
 * The broker's whole front in this process, with its own loop, between a loader
 * and a closer whose parts the harness plays.  It is set up once, as main() does
 * it; after each input nothing may be left of it.
 */
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "bpf/rss_maps.h"
#include "broker/common/clock.h"
#include "broker/common/log.h"
#include "broker/front/loop.h"
#include "broker/start/user_lookup.h"
#include "proto/packet.h"
#include "proto/util/fd.h"
#include "tests/fuzz/lib/fake_kernel.h"
#include "tests/fuzz/lib/fds.h"

#define WORLD_PAUSE_NS 20000000000 /* between two inputs: the log's bucket is full again */
#define WORLD_CPUS     2
#define WORLD_POOL     2
#define WORLD_MEMORY   (2ull << 20)
#define ROUNDS_MAX     2000

/* What the loader answers with; loader_protocol.h is the real one. */
struct loader_says {
	uint32_t object;
	int32_t err;
};

static struct world {
	struct front front;
	struct loader_link loader;
	struct front_settings settings;
	struct objects objects;
	struct sockaddr_un address;
	socklen_t address_len;
	int loader_end, closer_end;
	bool closer_rests;
	int set[SET_FDS_MAX]; /* memory that stands for program and maps, of all sets alike */
	unsigned fds;	      /* that are open before an input */
} world;

/* --- the loader and the closer ------------------------------------------------- */

static void loader_answer(uint32_t object, int err)
{
	const struct loader_says says = { object, err };
	size_t n = err ? 0 : world.objects.list[object].counts ? 5 : 4;

	FUZZ_CHECK(packet_send(world.loader_end, &says, sizeof(says), world.set, n) == 0);
}

/* Answers one request for a set, if there is one. */
static bool loader_serve(int err)
{
	uint32_t object;
	ssize_t n = recv(world.loader_end, &object, sizeof(object), MSG_DONTWAIT);

	if (n < 0)
		return false;
	/* Nothing but the number of one of the objects ever gets there. */
	FUZZ_CHECK(n == sizeof(object) && object < world.objects.n);
	loader_answer(object, err);
	return true;
}

/* Lets go of what the front gave away. */
static bool closer_work(void)
{
	struct packet p;
	bool some = packet_recv(world.closer_end, &p) == 0;

	packet_done(&p);
	return some;
}

static void world_turn(void)
{
	kernel.in_front = true;
	FUZZ_CHECK(loop_turn(&world.front, 0) == 0);
	kernel.in_front = false;
	while (!world.closer_rests && closer_work())
		;
}

/* --- once ------------------------------------------------------------------------ */

static int memory_fd(size_t size)
{
	int fd = memfd_create("map", MFD_CLOEXEC);

	FUZZ_CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	return fd;
}

static void pair_open(int *ret_front, int *ret_end)
{
	int pair[2];

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) ==
		   0);
	*ret_front = pair[0];
	*ret_end = pair[1];
}

static void objects_make(void)
{
	static const struct object rss = {
		.name = "rss", .elf = "ELF", .size = 3, .abi = RSSB_ABI_QEMU_RSS_1
	};

	world.objects = (struct objects){
		.n_cpus = WORLD_CPUS, .n_blocks = WORLD_CPUS, .n = 2, .list = { rss, rss }
	};
	memset(world.objects.list[0].id, 0x11, RSSB_OBJECT_ID_LEN);
	memset(world.objects.list[1].id, 0x22, RSSB_OBJECT_ID_LEN);
	strcpy(world.objects.list[1].name, "rss-stats");
	world.objects.list[1].counts = true;
	for (size_t i = 0; i < SET_FDS_MAX - 1; i++)
		world.set[i] = memory_fd(4096);
	world.set[SET_FDS_MAX - 1] = memory_fd(WORLD_CPUS * sizeof(struct rss_stats) + 4096);
}

/* The kernel finds a name for it that nobody has. */
static int listener_open(void)
{
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	world.address.sun_family = AF_UNIX;
	FUZZ_CHECK(bind(sock, (struct sockaddr *)&world.address, sizeof(sa_family_t)) == 0);
	world.address_len = sizeof(world.address);
	FUZZ_CHECK(getsockname(sock, (struct sockaddr *)&world.address, &world.address_len) == 0);
	FUZZ_CHECK(listen(sock, FAKE_BACKLOG) == 0);
	return sock;
}

static void world_open(void)
{
	struct front_settings *settings = &world.settings;
	const int little = 1; /* a few fds are all that the closer's line takes */
	sigset_t signals;
	int listener;

	kernel.now_ns = WORLD_PAUSE_NS;
	log_set_level(LOG_DEBUG);
	objects_make();
	listener = listener_open();
	pair_open(&world.loader.sock, &world.loader_end);
	pair_open(&world.front.closer, &world.closer_end);
	setsockopt(world.front.closer, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
	settings->pool = WORLD_POOL;
	settings->limits = (struct limits)LIMITS_DEFAULT;
	FUZZ_CHECK(policy_allow_user(&settings->policy, "1000") == 0);
	FUZZ_CHECK(policy_allow_user(&settings->policy, "1001") == 0);
	for (unsigned i = 0; i < WORLD_POOL; i++)
		loader_answer(0, 0);
	loader_answer(1, 0);
	/* The front blocks the signals that end it; here they are libFuzzer's. */
	sigprocmask(SIG_SETMASK, NULL, &signals);
	FUZZ_CHECK(loop_init(&world.front, &listener, &world.loader, settings, &world.objects) ==
		   0);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	while (recv(world.loader_end, &listener, sizeof(listener), 0) > 0)
		; /* they were answered before they came */
	front_accept(&world.front);
}

/* --- before and after each input ---------------------------------------------------- */

/* As after a start, but for what loop_init() fills the pool with. */
static void world_reset(const struct limits *limits)
{
	struct service *s = &world.front.service;

	kernel.now_ns += WORLD_PAUSE_NS;
	kernel.n_backlog = 0;
	s->started_ms = s->now_ms = clock_ms();
	world.front.restock_at_ms = 0;
	world.front.loader_rests = false;
	world.front.watch_leases_at_ms = 0;
	for (size_t i = 0; i < ACCOUNTS_MAX && s->accounts.list[i].used; i++)
		memset(&s->accounts.list[i], 0, sizeof(s->accounts.list[i]));
	s->accounts.limits = *limits;
	s->memory = (struct memory){ .percent = 75, .otherwise = WORLD_MEMORY };
	s->counters = (struct counters){ 0 };
	FUZZ_CHECK(grants_init(&s->grants) == 0);
	memset(s->grants.secret, 0, sizeof(s->grants.secret)); /* the same at each run */
	sessions_init(&world.front.sessions);
	world.fds = fds_open(); /* libFuzzer has some that come and go */
}

/* Grants that no lease ends. */
static void grants_end(struct service *s)
{
	for (size_t i = 0; i < GRANTS_MAX; i++) {
		struct grant *grant = &s->grants.list[i];

		if (!grant->id)
			continue;
		FUZZ_CHECK(grant->maps.lease_write < 0);
		service_end_grant(s, grant);
	}
}

static bool pool_is_quiet(const struct pool *p)
{
	for (size_t i = 0; i < p->objects->n; i++)
		if (p->stocks[i].n_asked || p->stocks[i].n_ready != p->stocks[i].target)
			return false;
	return true;
}

/* When every client and every lease is closed nothing may be left but the pool. */
static void world_settle(void)
{
	struct service *s = &world.front.service;
	unsigned rounds = 0;

	s->memory.otherwise = WORLD_MEMORY;
	world.closer_rests = false;
	do {
		FUZZ_CHECK(++rounds < ROUNDS_MAX);
		kernel.now_ns += 10000000;
		for (unsigned i = 0; i < s->objects.n; i++)
			front_restock(&world.front, i);
		while (loader_serve(0))
			;
		world_turn();
	} while (kernel.n_backlog || world.front.sessions.n_open || !pool_is_quiet(&s->pool));
	world_turn(); /* leases in replies that nobody read ended with their connections */
	FUZZ_CHECK(!world.front.handover.grant);
	grants_end(s);
	FUZZ_CHECK(!world.front.sessions.n_waiting && !world.front.sessions.n_closing);
	FUZZ_CHECK(!s->accounts.n_sessions && !s->accounts.n_grants);
	for (size_t i = 0; i < ACCOUNTS_MAX && s->accounts.list[i].used; i++)
		FUZZ_CHECK(!s->accounts.list[i].n_sessions && !s->accounts.list[i].n_grants);
	FUZZ_CHECK(fds_open() == world.fds);
}
