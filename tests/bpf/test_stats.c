// SPDX-License-Identifier: MIT
/*
 * That rss-stats counts what the reference says: every packet once by queue, and once
 * by table entry and hash type or by the reason why it was not hashed; by test run, and
 * whole frames on a real tap.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bpf/lib/check.h"
#include "tests/bpf/lib/packet.h"
#include "tests/bpf/lib/reference.h"
#include "tests/bpf/lib/tap.h"

#define ETHERNET 14 /* bytes of a header, which a test run does not count */

static const char *const packets[] = {
	"ip4 tcp",	     "ip4 udp",	       "ip4 udp zeros:500", "ip4 icmp",
	"ip4+opt tcp",	     "ip4+mf udp",     "ip4 tcp cut:3",	    "ip6 tcp",
	"ip6 udp",	     "ip6 sctp",       "ip6 hbh tcp",	    "ip6 home tcp",
	"ip6 rt2 udp",	     "ip6 home icmp6", "ip6 frag+mf tcp",   "arp",
	"ip6 dst tcp cut:9", "mpls",	       "q ip4 tcp",	    "ip6 home sctp",
};

static struct object object;

static unsigned int bit_number(uint32_t type)
{
	return (unsigned int)__builtin_ctz(type);
}

/* What the program has to add for one packet. */
static void expect(struct rss_stats *sum, const struct reference_verdict *v, size_t bytes)
{
	static const int fallbacks[] = { [MISS_NO_TYPE] = RSS_FALLBACK_NO_TYPE,
					 [MISS_TRUNCATED] = RSS_FALLBACK_TRUNCATED,
					 [MISS_NOT_IP] = RSS_FALLBACK_NOT_IP,
					 [MISS_CONFIG] = RSS_FALLBACK_BAD_CONFIG };
	int last = RSS_STATS_QUEUES - 1;
	struct rss_count *queue = &sum->queue[v->queue < last ? v->queue : last];

	queue->packets++;
	queue->bytes += bytes;
	if (!v->type) {
		sum->fallback[fallbacks[v->miss]]++;
		return;
	}
	sum->entry[v->entry].packets++;
	sum->entry[v->entry].bytes += bytes;
	sum->hashed[bit_number(v->type)]++;
}

/* Runs every packet and compares all counters. */
static void check_counts(const struct steering *s)
{
	struct rss_stats before, after, want;

	object_steer(&object, s);
	object_counts(&object, &before);
	want = before;
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		struct reference_verdict v;
		struct packet p;

		packet_build(&p, packets[i]);
		/* Inline tags cannot be tried here: see test_tap.c. */
		if (p.bytes[12] == 0x81)
			continue;
		reference_steer(s, p.bytes, p.len, &v);
		assert_int_equal(object_queue(&object, p.bytes, p.len), v.queue);
		expect(&want, &v, p.len - ETHERNET);
	}
	object_counts(&object, &after);
	assert_memory_equal(&after, &want, sizeof(want));
}

static void test_all_types(void **state)
{
	struct steering s = check_steering();

	check_counts(&s);
}

static void test_each_type_alone(void **state)
{
	for (unsigned int bit = 0; bit < RSS_STATS_TYPES; bit++) {
		struct steering s = check_steering();

		s.hash_types = 1u << bit;
		check_counts(&s);
	}
}

static void test_queues_around_the_last(void **state)
{
	struct steering s = check_steering();

	for (uint16_t i = 0; i < RSS_TABLE_MAX; i++)
		s.table[i] = (uint16_t)(192 + i); /* up to 319 */
	for (uint16_t queue = 254; queue < 258; queue++) {
		s.default_queue = queue;
		check_counts(&s);
	}
	s.default_queue = UINT16_MAX;
	check_counts(&s);
}

static void test_bad_configuration(void **state)
{
	struct steering s = check_steering();

	s.redirect = false;
	check_counts(&s);
	s.redirect = true;
	s.table_len = 100;
	check_counts(&s);
	s.table_len = 0;
	check_counts(&s);
}

/* On a tap the bytes are those of the whole frame. */
static void test_on_a_tap(void **state)
{
	struct steering s = check_steering();
	struct rss_stats before, after;
	struct tap tap;
	size_t bytes = 0;

	tap_open(&tap);
	assert_int_equal(tap_steer(&tap, object.prog), 0);
	object_steer(&object, &s);
	object_counts(&object, &before);
	for (int i = 0; i < 100; i++) {
		struct packet p;

		packet_build(&p, "q ip4 tcp");
		assert_true(tap_queue(&tap, tap.sender, p.bytes, p.len) >= 0);
		bytes += p.len;
	}
	object_counts(&object, &after);
	assert_int_equal(after.hashed[1] - before.hashed[1], 100);
	for (int i = 0; i < RSS_STATS_QUEUES; i++) {
		after.queue[0].packets += i ? after.queue[i].packets : 0;
		before.queue[0].packets += i ? before.queue[i].packets : 0;
		after.queue[0].bytes += i ? after.queue[i].bytes : 0;
		before.queue[0].bytes += i ? before.queue[i].bytes : 0;
	}
	assert_int_equal(after.queue[0].packets - before.queue[0].packets, 100);
	assert_int_equal(after.queue[0].bytes - before.queue[0].bytes, bytes);
	tap_close(&tap);
}

/* --- blocks that CPUs share ---------------------------------------------------------- */

#define RUNS 200000

struct runner {
	pthread_t thread;
	int cpu;
	struct packet packet;
};

static void *run_many(void *arg)
{
	const struct runner *r = arg;
	cpu_set_t set;
	uint64_t ns;

	CPU_ZERO(&set);
	CPU_SET(r->cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	return (void *)(intptr_t)object_time(&object, r->packet.bytes, r->packet.len, RUNS, &ns);
}

/* Two CPUs that count in the same places at once lose nothing. */
static void test_at_once(void **state)
{
	struct runner runners[2];
	struct rss_stats before, after;
	struct steering s = check_steering();
	void *failed;

	object_steer(&object, &s);
	object_counts(&object, &before);
	for (int i = 0; i < 2; i++) {
		runners[i].cpu = i;
		packet_build(&runners[i].packet, "ip4 tcp");
		assert_int_equal(pthread_create(&runners[i].thread, NULL, run_many, &runners[i]),
				 0);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(runners[i].thread, &failed), 0);
		assert_null(failed);
	}
	object_counts(&object, &after);
	assert_int_equal(after.hashed[1] - before.hashed[1], 2 * RUNS);
	for (int i = 0; i < RSS_STATS_QUEUES; i++) {
		uint64_t n = after.queue[i].packets - before.queue[i].packets;

		assert_true(n == 0 || n == 2 * RUNS);
	}
}

static int open_object(void **state)
{
	if (!check_open(&object, "rss-stats"))
		exit(0); /* said why */
	return 0;
}

static int open_shared(void **state)
{
	return !check_open(&object, "../tests/bpf/objects/rss-stats-shared");
}

static int close_object(void **state)
{
	object_unload(&object);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_types),
		cmocka_unit_test(test_each_type_alone),
		cmocka_unit_test(test_queues_around_the_last),
		cmocka_unit_test(test_bad_configuration),
		cmocka_unit_test(test_on_a_tap),
		cmocka_unit_test(test_at_once),
	};

	return cmocka_run_group_tests_name("stats", tests, open_object, close_object) +
	       cmocka_run_group_tests_name("shared", tests, open_shared, close_object);
}
