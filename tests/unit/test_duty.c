/* SPDX-License-Identifier: MIT */
/* How much of a CPU the loop may take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

#include "broker/common/clock.h"
#include "broker/front/duty.h"

#define MS 1000000ull

static void rests(void **state)
{
	assert_int_equal(duty_rest_ms(5 * MS, 0), 0);
	assert_int_equal(duty_rest_ms(4 * MS, 3 * MS - 1), 0); /* three quarters are its right */
	assert_int_equal(duty_rest_ms(4 * MS, 3 * MS), 1);
	assert_int_equal(duty_rest_ms(9 * MS, 9 * MS), 3);
	assert_int_equal(duty_rest_ms(1000 * MS, 1000 * MS), 4); /* nobody waits long for that */
	assert_int_equal(duty_rest_ms(1000 * MS, 100 * MS), 0);	 /* others had the CPU */
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

/* A loop that never waits takes three quarters, and a bit for the clock's steps. */
static void a_busy_loop(void **state)
{
	uint64_t begin_ns = clock_ns(), begin_cpu_ns = cpu_ns();
	struct duty duty = { begin_ns, begin_cpu_ns };

	while (clock_ns() - begin_ns < 300 * MS)
		duty_rest(&duty);
	assert_in_range(cpu_ns() - begin_cpu_ns, 1, 300 * MS * 82 / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rests),
		cmocka_unit_test(a_busy_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
