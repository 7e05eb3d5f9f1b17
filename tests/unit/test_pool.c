/* SPDX-License-Identifier: MIT */
/* The pool: what it asks the loader for, what it believes of it, and what it never does twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>

#include <time.h>

#include "tests/unit/fake_set.h"
#include "tests/unit/open_fds.h"

static uint64_t now_ms = 1000;

/* In place of libc's: time passes when a test says so, however busy the machine is. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
	*ret = (struct timespec){ .tv_sec = (time_t)(now_ms / 1000),
				  .tv_nsec = (long)(now_ms % 1000 * 1000000) };
	return 0;
}

static struct pool pool;
static struct loader_link loader;
static const struct objects objects = { .n_cpus = FAKE_CPUS,
					.n_blocks = FAKE_CPUS,
					.n = 2,
					.list = { { .name = "rss" },
						  { .name = "rss-stats", .counts = true } } };
static int peer;
static unsigned fds_before;

static int setup(void **state)
{
	fds_before = open_fds();
	fake_loader_open(&loader, &peer);
	pool_init(&pool, &loader, &objects, 4);
	return 0;
}

static void empty(unsigned object)
{
	struct set set;

	while (!pool_take(&pool, object, false, &set))
		set_done(&set);
}

/* Whatever a test did, no fd is left. */
static int teardown(void **state)
{
	empty(0);
	empty(1);
	fd_closep(&loader.sock);
	fd_closep(&peer);
	return open_fds() == fds_before ? 0 : -1;
}

static void receive(unsigned want_object, int want_err)
{
	unsigned object = 99;
	int err = 99;

	assert_int_equal(pool_receive(&pool, &object, &err), 0);
	assert_int_equal(object, want_object);
	assert_int_equal(err, want_err);
}

/* Plays the loader until it owes nothing more. */
static void serve(unsigned object, unsigned n_waiting, unsigned n)
{
	pool_restock(&pool, object, n_waiting);
	while (n--) {
		fake_loader_serve(peer, object, objects.list[object].counts);
		receive(object, 0);
		pool_restock(&pool, object, n_waiting);
	}
}

static void fill(unsigned object, unsigned n)
{
	serve(object, 0, n);
}

/* What the loader is asked for next; -1: nothing. */
static int asked(void)
{
	uint32_t object;

	return recv(peer, &object, sizeof(object), 0) == sizeof(object) ? (int)object : -1;
}

static void asks_for_its_target(void **state)
{
	pool_restock(&pool, 0, 0);
	assert_int_equal(fake_loader_asked(peer, 0), 4);
	pool_restock(&pool, 0, 0); /* they are on their way */
	assert_int_equal(fake_loader_asked(peer, 0), 0);
	pool_restock(&pool, 0, 1000); /* so many may be in its queue */
	assert_int_equal(fake_loader_asked(peer, 0), 0);
}

static void asks_for_those_who_wait(void **state)
{
	serve(0, 3, 7);
	assert_int_equal(asked(), -1);
	assert_int_equal(pool.stocks[0].n_ready, 7);
}

static void never_more_than_it_has_room_for(void **state)
{
	serve(0, 1000, POOL_MAX);
	assert_int_equal(asked(), -1);
}

/* The loader answers for that object, after that time. */
static void answer_after(unsigned object, unsigned ms, unsigned n_waiting)
{
	now_ms += ms;
	fake_loader_send(peer, object, 0, objects.list[object].counts ? 5 : 4);
	receive(object, 0);
	pool_restock(&pool, object, n_waiting);
}

/* The second object is slow, and many wait for it: the first has its turn in between. */
static void a_slow_object_keeps_nobody_waiting(void **state)
{
	fill(0, 4);
	pool_restock(&pool, 1, 9);
	assert_int_equal(asked(), 1);
	assert_int_equal(asked(), -1); /* one at a time */
	empty(0);
	pool_restock(&pool, 0, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(asked(), 0);
	pool_restock(&pool, 0, 1000);
	answer_after(1, 30, 9); /* the others may have as much before its next turn */
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(asked(), 0);
		assert_int_equal(asked(), -1);
		answer_after(0, 5, 1000);
	}
	assert_int_equal(asked(), 0);
	answer_after(0, 10, 1000);
	assert_int_equal(asked(), 1);
}

/* An object that nobody wanted for a while has not saved up the loader's time. */
static void nobody_saves_up_time(void **state)
{
	serve(0, 1000, POOL_MAX);
	empty(0);
	pool_restock(&pool, 0, 1000);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(asked(), 0);
	answer_after(0, 100, 1000);
	assert_int_equal(asked(), 0);
	pool_restock(&pool, 1, 9);
	answer_after(0, 0, 1000);
	assert_int_equal(asked(), 1);
	answer_after(1, 30, 9);
	assert_int_equal(asked(), 0);
}

/* Who has had many leaves the last few, where there are some to leave. */
static void the_last_few_are_for_others(void **state)
{
	struct set set;

	pool_init(&pool, &loader, &objects, 8);
	fill(0, 8);
	fill(1, 1);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(pool_take(&pool, 0, true, &set), 0);
		set_done(&set);
	}
	assert_false(pool_has(&pool, 0, true));
	assert_int_equal(pool_take(&pool, 0, true, &set), -EAGAIN);
	assert_true(pool_has(&pool, 0, false));
	assert_true(pool_has(&pool, 1, true)); /* of one there is nothing to leave */
}

static void is_full_when_every_stock_is(void **state)
{
	assert_false(pool_is_full(&pool));
	fill(0, 4);
	assert_false(pool_is_full(&pool));
	fill(1, 1);
	assert_true(pool_is_full(&pool));
}

static void is_low_below_half(void **state)
{
	struct set set;

	assert_true(pool_is_low(&pool, 0));
	fill(0, 4);
	for (unsigned left = 4; left; left--) {
		assert_int_equal(pool_is_low(&pool, 0), left < 2);
		assert_int_equal(pool_take(&pool, 0, false, &set), 0);
		set_done(&set);
	}
	assert_true(pool_is_low(&pool, 0));
}

/* Each set goes to one taker, and an empty stock has none. */
static void each_set_once(void **state)
{
	struct set sets[4], none;

	fill(0, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(pool_take(&pool, 0, false, &sets[i]), 0);
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(sets[i].fds.prog, sets[j].fds.prog);
	}
	assert_int_equal(pool_take(&pool, 0, false, &none), -EAGAIN);
	assert_int_equal(pool_take(&pool, 1, false, &none), -EAGAIN);
	for (unsigned i = 0; i < 4; i++)
		set_done(&sets[i]);
}

/* Those who waited have gone: what was made for them goes, too. */
static void sheds_what_is_too_much(void **state)
{
	serve(0, 5, 9);
	assert_int_equal(open_fds(), fds_before + 2 + 9 * 6);
	pool_restock(&pool, 0, 5);
	assert_int_equal(open_fds(), fds_before + 2 + 9 * 6);
	pool_restock(&pool, 0, 0);
	assert_int_equal(open_fds(), fds_before + 2 + 4 * 6);
}

static void nothing_yet(void **state)
{
	unsigned object;
	int err;

	assert_int_equal(pool_receive(&pool, &object, &err), -EAGAIN);
}

/* The kernel refused: it is told, and may be asked for again. */
static void fault_39_failure_of_the_kernel(void **state)
{
	pool_restock(&pool, 0, 0);
	assert_int_equal(fake_loader_asked(peer, 0), 4);
	fake_loader_send(peer, 0, -ENOMEM, 0);
	receive(0, -ENOMEM);
	pool_restock(&pool, 0, 0);
	assert_int_equal(fake_loader_asked(peer, 0), 1);
}

/* --- a loader out of its mind -------------------------------------------------- */

static const struct {
	const char *what;
	bool asked;
	uint32_t object;
	int32_t err;
	size_t n_fds;
} insane[] = {
	{ "unasked", false, 0, 0, 4 },
	{ "no such object", true, 2, 0, 4 },
	{ "the largest object", true, UINT32_MAX, 0, 4 },
	{ "no fds", true, 0, 0, 0 },
	{ "three fds", true, 0, 0, 3 },
	{ "five fds of an object that does not count", true, 0, 0, 5 },
	{ "four fds of one that does", true, 1, 0, 4 },
	{ "an error with fds", true, 0, -EPERM, 4 },
	{ "an error that was not asked for", false, 0, -EPERM, 0 },
};

static void fault_50_insane_answers(void **state)
{
	for (size_t i = 0; i < sizeof(insane) / sizeof(insane[0]); i++) {
		unsigned object, before = open_fds();
		int err;

		print_message("%s\n", insane[i].what);
		pool_init(&pool, &loader, &objects, 4);
		if (insane[i].asked) {
			pool_restock(&pool, 1, 0); /* one, and three of the other */
			pool_restock(&pool, 0, 0);
			while (asked() >= 0)
				;
		}
		fake_loader_send(peer, insane[i].object, insane[i].err, insane[i].n_fds);
		assert_int_equal(pool_receive(&pool, &object, &err), -EBADMSG);
		assert_int_equal(open_fds(), before);
	}
}

static void fault_50_wrong_size(void **state)
{
	static const uint8_t bytes[9];
	unsigned object;
	int err;

	for (size_t len = 1; len <= sizeof(bytes); len += 4) { /* 1, 5, 9; 8 is right */
		assert_int_equal(packet_send(peer, bytes, len, NULL, 0), 0);
		assert_int_equal(pool_receive(&pool, &object, &err), -EBADMSG);
	}
}

/* Fds that are no maps: no set comes of them, and that is the object's failure. */
static void fds_that_are_no_maps(void **state)
{
	const struct fake_answer answer = { 0, 0 };
	const int fds[] = { peer, peer, peer, peer };

	pool_restock(&pool, 0, 0);
	fake_loader_asked(peer, 0);
	assert_int_equal(packet_send(peer, &answer, sizeof(answer), fds, 4), 0);
	receive(0, -ENODEV);
}

static void loader_gone(void **state)
{
	unsigned object;
	int err;

	fd_closep(&peer);
	assert_int_equal(pool_receive(&pool, &object, &err), -ECONNRESET);
	pool_restock(&pool, 0, 0); /* asks nobody, and does not fail */
	assert_int_equal(pool.stocks[0].n_asked, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(asks_for_its_target, setup, teardown),
		cmocka_unit_test_setup_teardown(asks_for_those_who_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(never_more_than_it_has_room_for, setup, teardown),
		cmocka_unit_test_setup_teardown(a_slow_object_keeps_nobody_waiting, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nobody_saves_up_time, setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_few_are_for_others, setup, teardown),
		cmocka_unit_test_setup_teardown(is_full_when_every_stock_is, setup, teardown),
		cmocka_unit_test_setup_teardown(is_low_below_half, setup, teardown),
		cmocka_unit_test_setup_teardown(each_set_once, setup, teardown),
		cmocka_unit_test_setup_teardown(sheds_what_is_too_much, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_yet, setup, teardown),
		cmocka_unit_test_setup_teardown(fault_39_failure_of_the_kernel, setup, teardown),
		cmocka_unit_test_setup_teardown(fault_50_insane_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(fault_50_wrong_size, setup, teardown),
		cmocka_unit_test_setup_teardown(fds_that_are_no_maps, setup, teardown),
		cmocka_unit_test_setup_teardown(loader_gone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
