/* SPDX-License-Identifier: MIT */
/* How much memory may be handed out, by files that stand for those of memory cgroups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "broker/front/memory.h"
#include "proto/util/fd.h"

#define MIB (1ull << 20)

static struct memory memory;

/* A file of a cgroup; text ends with a newline, as the kernel's does. */
static void file_write(int *fd, const char *text)
{
	if (*fd < 0)
		*fd = memfd_create("file", MFD_CLOEXEC);
	assert_int_equal(ftruncate(*fd, 0), 0);
	assert_int_equal(pwrite(*fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

static void number_write(int *fd, uint64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)n);
	file_write(fd, text);
}

/* Two cgroups, one in the other, without limits. */
static int setup(void **state)
{
	memory = (struct memory){ .percent = 75, .otherwise = 256 * MIB, .n_levels = 2 };
	for (unsigned i = 0; i < 2; i++) {
		memory.levels[i] = (struct memory_level){ -1, -1, -1 };
		number_write(&memory.levels[i].usage, 0);
		file_write(&memory.levels[i].max, i ? "9223372036854771712\n" : "max\n");
	}
	return 0;
}

static int teardown(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		fd_closep(&memory.levels[i].usage);
		fd_closep(&memory.levels[i].max);
		fd_closep(&memory.levels[i].high);
	}
	return 0;
}

/* Where nothing is limited, what clients hold is compared with --memory. */
static void no_limit(void **state)
{
	assert_true(memory_left(&memory, 0, 1000) / MIB == 191);
	assert_true(memory_left(&memory, 100 * MIB, 1000) / MIB == 91);
	assert_true(memory_left(&memory, 300 * MIB, 1000) == 0);
	assert_true(memory.limit == 0 && memory.used == 0);
	memory.n_levels = 0;
	assert_true(memory_left(&memory, 0, 2000) / MIB == 191);
}

/* The one with least room, whichever it is; memory.high counts like memory.max. */
static void fault_72_the_tightest_counts(void **state)
{
	number_write(&memory.levels[0].max, 1024 * MIB);
	number_write(&memory.levels[0].usage, 10 * MIB);
	assert_true(memory_left(&memory, 0, 1000) / MIB == 757);
	number_write(&memory.levels[1].max, 64 * MIB);
	number_write(&memory.levels[1].usage, 20 * MIB);
	assert_true(memory_left(&memory, 0, 2000) / MIB == 27);
	assert_true(memory.limit == 64 * MIB && memory.used == 20 * MIB);
	number_write(&memory.levels[0].high, 24 * MIB);
	assert_true(memory_left(&memory, 0, 3000) / MIB == 7);
	file_write(&memory.levels[0].high, "max\n");
	assert_true(memory_left(&memory, 0, 4000) / MIB == 27);
}

/* A limit that changes is seen a tenth of a second later. */
static void fault_72_limits_are_read_again(void **state)
{
	number_write(&memory.levels[0].max, 64 * MIB);
	assert_true(memory_left(&memory, 0, 1000) / MIB == 47);
	number_write(&memory.levels[0].max, 24 * MIB);
	assert_true(memory_left(&memory, 0, 1099) / MIB == 47);
	assert_true(memory_left(&memory, 0, 1100) / MIB == 17);
	number_write(&memory.levels[0].usage, 30 * MIB);
	assert_true(memory_left(&memory, 0, 1200) == 0);
}

/* At each limit, in bursts of sets of either weight: never more than 75 % is handed out. */
static void fault_64_no_burst_outruns_the_look(void **state)
{
	static const uint64_t limits[] = { 24 * MIB, 64 * MIB, 256 * MIB, 1024 * MIB };
	static const uint64_t weights[] = { 40 << 10, 64 << 10, 84 << 10, 300 << 10 };

	for (unsigned i = 0; i < 16; i++) {
		uint64_t limit = limits[i / 4], weight = weights[i % 4], used = 5 * MIB, now = 1000;

		number_write(&memory.levels[0].max, limit);
		number_write(&memory.levels[0].usage, used);
		memory_read(&memory, now);
		for (unsigned n = 0; memory_left(&memory, 0, now) >= weight; n++) {
			memory_take(&memory, weight);
			used += weight;
			now += n % 1000 == 999; /* a thousand in a millisecond */
			if (now % 100 == 0)
				number_write(&memory.levels[0].usage, used);
		}
		assert_true(used <= limit / 100 * 75);
		assert_true(used + weight > limit / 100 * 75 - 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(fault_72_the_tightest_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(fault_72_limits_are_read_again, setup, teardown),
		cmocka_unit_test_setup_teardown(fault_64_no_burst_outruns_the_look, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
