/* SPDX-License-Identifier: MIT */
/* Which entries rssb balance moves, against the best assignment that is found offline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/rss/even_out.h"

enum { ENTRIES = 128, FLOWS = 4096, MOVES = ENTRIES * 15 / 100 };

static struct rssb_table equal_table(uint16_t queues)
{
	struct rssb_table t = { .queues = queues, .len = ENTRIES };

	for (uint16_t i = 0; i < ENTRIES; i++)
		t.queue[i] = i % queues;
	return t;
}

/* flow to the power of -1.1, without libm: its tenth root by bisection. */
static double share(int flow)
{
	double low = 1, high = 3;

	for (int i = 0; i < 50; i++) {
		const double root = (low + high) / 2, second = root * root,
			     fifth = second * second * root;

		if (fifth * fifth < flow)
			low = root;
		else
			high = root;
	}
	return 1 / (flow * low);
}

/* Flows by Zipf's law with exponent 1.1, each in a random entry. */
static void zipf(struct even_out_load *ret, unsigned seed)
{
	memset(ret, 0, sizeof(*ret));
	srandom(seed);
	for (int flow = 1; flow <= FLOWS; flow++)
		ret->entry[random() % ENTRIES] += (uint64_t)(1e6 * share(flow));
}

static int descending(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* The largest queue over the fair share when the heaviest entries are placed first. */
static double offline_peak(const struct even_out_load *load, size_t queues)
{
	uint64_t sorted[ENTRIES], queue[RSSB_QUEUES_MAX] = { 0 }, all = 0;

	memcpy(sorted, load->entry, sizeof(sorted));
	qsort(sorted, ENTRIES, sizeof(sorted[0]), descending);
	for (size_t i = 0; i < ENTRIES; i++) {
		size_t least = 0;

		for (size_t j = 1; j < queues; j++)
			least = queue[j] < queue[least] ? j : least;
		queue[least] += sorted[i];
		all += sorted[i];
	}
	qsort(queue, queues, sizeof(queue[0]), descending);
	return (double)queue[0] * (double)queues / (double)all;
}

/* Returns how many entries moved; each from where it was, and once. */
static size_t round_of(struct rssb_table *table, const struct even_out_load *load)
{
	struct rssb_move move[MOVES];
	size_t n = even_out(table, load, MOVES, move);

	assert_true(n <= MOVES);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(move[i].entry, move[j].entry);
		assert_int_equal(table->queue[move[i].entry], move[i].from);
		assert_true(move[i].to < table->queues);
	}
	for (size_t i = 0; i < n; i++)
		table->queue[move[i].entry] = move[i].to;
	return n;
}

static void three_rounds_are_enough(void **state)
{
	static const uint16_t queues[] = { 4, 8 };

	for (unsigned seed = 0; seed < 200; seed++) {
		const uint16_t n = queues[seed % 2];
		struct rssb_table table = equal_table(n);
		struct even_out_load load;
		double best;

		zipf(&load, seed);
		best = offline_peak(&load, n);
		for (int i = 0; i < 3; i++)
			round_of(&table, &load);
		assert_true(even_out_peak(&table, &load) <= 1.03 * best);
		assert_true(best > 1.1 || even_out_peak(&table, &load) <= 1.1);
		assert_int_equal(round_of(&table, &load), 0); /* and then it is steady */
	}
}

static void an_even_load_moves_nothing(void **state)
{
	struct rssb_table table = equal_table(4);
	struct even_out_load load = { 0 };

	assert_int_equal(round_of(&table, &load), 0); /* no packet at all */
	for (size_t i = 0; i < ENTRIES; i++)
		load.entry[i] = 1000 + i % 7;
	assert_int_equal(round_of(&table, &load), 0);
	/* Three queues 2 % above the fair share: more than chance, and near enough. */
	for (size_t i = 0; i < ENTRIES; i++)
		load.entry[i] = i % 4 < 3 ? 1020000 : 940000;
	assert_int_equal(round_of(&table, &load), 0);
}

/* What would leave the fullest queue is next to nothing. */
static void a_small_gain_is_none(void **state)
{
	struct rssb_table table = equal_table(4);
	struct even_out_load load = { 0 };

	for (size_t i = 0; i < ENTRIES; i++)
		load.entry[i] = i % 4 ? 500000 : 0;
	load.entry[0] = 40000000;
	load.entry[4] = 4000;
	assert_int_equal(round_of(&table, &load), 0);
	load.entry[4] = 40000;
	assert_int_equal(round_of(&table, &load), 1);
}

/* Chance decides whether anything moves, not how far: with few packets, too, it ends near even. */
static void a_round_that_begins_goes_on(void **state)
{
	struct rssb_table table = equal_table(4);
	struct even_out_load load = { 0 };

	for (size_t i = 0; i < ENTRIES; i++)
		load.entry[i] = i % 4 ? 20 : 60;
	assert_true(even_out_peak(&table, &load) == 2);
	assert_true(round_of(&table, &load) > 0);
	assert_true(even_out_peak(&table, &load) < 1.07);
}

/* Each packet goes to any entry: counts differ by chance alone, and more so if they are few. */
static void chance_moves_nothing(void **state)
{
	static const unsigned int packets[] = { 100, 1000, 10000, 100000 };
	struct rssb_table table = equal_table(8);
	size_t moves = 0;

	for (unsigned round = 0; round < 400; round++) {
		struct even_out_load load = { 0 };
		struct rssb_move move[MOVES];

		srandom(round);
		for (unsigned i = 0; i < packets[round % 4]; i++)
			load.entry[random() % ENTRIES]++;
		moves += even_out(&table, &load, MOVES, move);
	}
	assert_true(moves < 10); /* of 400 rounds: seen 1 with these seeds, 1043 without the rule */
}

/* One entry that weighs more than all others together: those leave its queue, it stays. */
static void a_heavy_entry_stays(void **state)
{
	struct rssb_table table = equal_table(4);
	struct even_out_load load = { 0 };
	struct rssb_move move[ENTRIES];
	size_t n;

	for (size_t i = 0; i < ENTRIES; i++)
		load.entry[i] = 1000;
	load.entry[8] = 1000000;
	n = even_out(&table, &load, ENTRIES, move);
	assert_int_equal(n, ENTRIES / 4 - 1);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(move[i].from, 0);
		assert_int_not_equal(move[i].entry, 8);
	}
}

/* What goes to the default queue counts as that queue's load, and cannot be moved. */
static void packets_of_no_entry_are_a_load(void **state)
{
	struct rssb_stats before = { 0 }, after = { 0 };
	struct rssb_table table = equal_table(2);
	struct even_out_load load;
	struct rssb_move move[MOVES];

	for (size_t i = 0; i < ENTRIES; i++) {
		before.entry[i].packets = UINT64_MAX; /* counters wrap around */
		after.entry[i].packets = 999;
	}
	after.queue[0].packets = 64 * 1000 + 40000;
	after.queue[1].packets = 64 * 1000;
	even_out_load_between(&load, &table, &before, &after);
	assert_int_equal(load.entry[5], 1000);
	assert_int_equal(load.other[0], 40000);
	assert_int_equal(load.other[1], 0);
	assert_int_equal(even_out(&table, &load, MOVES, move), MOVES);
	for (size_t i = 0; i < MOVES; i++)
		assert_int_equal(move[i].from, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_rounds_are_enough),
		cmocka_unit_test(an_even_load_moves_nothing),
		cmocka_unit_test(a_small_gain_is_none),
		cmocka_unit_test(chance_moves_nothing),
		cmocka_unit_test(a_round_that_begins_goes_on),
		cmocka_unit_test(a_heavy_entry_stays),
		cmocka_unit_test(packets_of_no_entry_are_a_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
