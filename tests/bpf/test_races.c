// SPDX-License-Identifier: MIT
/*
 * Packets while another thread rewrites the maps, as QEMU does and as a hostile holder
 * of the fds may: with nonsense, and with contents of which each is valid.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/bpf/lib/check.h"
#include "tests/bpf/lib/packet.h"

#define RUNS 30000

struct writer {
	const struct object *object;
	void (*write)(const struct object *o, uint32_t *random);
	atomic_bool stop;
	atomic_uint rounds;
};

static void scribble(volatile uint8_t *at, size_t len, uint32_t *random)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)check_random(random);
}

/* Any byte anywhere. */
static void write_nonsense(const struct object *o, uint32_t *random)
{
	scribble((volatile uint8_t *)o->config, sizeof(*o->config), random);
	scribble(o->key, RSS_KEY_LEN, random);
	scribble(o->table, OBJECT_TABLE_BYTES, random);
}

/* Each value valid by itself: queues 10 to 13, default queue 77, any key, any length. */
static void write_valid(const struct object *o, uint32_t *random)
{
	struct steering s = { .redirect = true, .default_queue = 77 };

	s.table_len = (uint16_t)(1 << check_random(random) % 9);
	s.hash_types = check_random(random) & RSS_HASH_ALL;
	for (size_t i = 0; i < RSS_KEY_LEN; i++)
		s.key[i] = (uint8_t)check_random(random);
	for (size_t i = 0; i < RSS_TABLE_MAX; i++)
		s.table[i] = (uint16_t)(10 + check_random(random) % 4);
	object_steer(o, &s);
}

static void *write_on(void *argument)
{
	struct writer *w = argument;
	uint32_t random = 4711;

	while (!atomic_load(&w->stop)) {
		w->write(w->object, &random);
		atomic_fetch_add(&w->rounds, 1);
	}
	return NULL;
}

static bool is_u16(int queue)
{
	return queue >= 0 && queue <= UINT16_MAX;
}

static bool is_valid(int queue)
{
	return queue == 77 || (queue >= 10 && queue < 14);
}

static void run_packets(const struct object *o, bool (*right)(int queue))
{
	static const char *const words[] = { "ip4 tcp",		 "ip6 udp", "ip4+opt udp",
					     "ip6 rt2 home tcp", "arp",	    "ip6 dst tcp cut:3" };
	struct packet p;

	for (int i = 0; i < RUNS; i++) {
		int queue;

		packet_build(&p, words[i % 6]);
		queue = object_queue(o, p.bytes, p.len);
		if (!right(queue))
			fail_msg("%s: queue %d", words[i % 6], queue);
	}
}

static void run_against(struct object *o, void (*write)(const struct object *, uint32_t *),
			bool (*right)(int queue))
{
	struct writer w = { .object = o, .write = write };
	uint32_t random = 1;
	pthread_t thread;

	write(o, &random);
	assert_int_equal(pthread_create(&thread, NULL, write_on, &w), 0);
	run_packets(o, right);
	atomic_store(&w.stop, true);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&w.rounds) > 100);
}

static void run_all(void (*write)(const struct object *, uint32_t *), bool (*right)(int queue))
{
	for (const char *const *name = check_names; *name; name++) {
		struct object o;

		if (!check_open(&o, *name))
			skip();
		run_against(&o, write, right);
		object_unload(&o);
	}
}

static void test_nonsense(void **state)
{
	run_all(write_nonsense, is_u16);
}

static void test_valid_contents(void **state)
{
	run_all(write_valid, is_valid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_valid_contents),
	};

	return cmocka_run_group_tests_name("races", tests, NULL, NULL);
}
