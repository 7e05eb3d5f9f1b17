/* SPDX-License-Identifier: MIT */
/* How much of a CPU a loop may take.  Must never sleep longer than a client notices. */
#include "broker/front/duty.h"

#include <poll.h>
#include <time.h>

#include "broker/common/clock.h"

#define MS	    1000000ull
#define WINDOW_NS   (4 * MS)
#define REST_MAX_MS 4 /* a turn that took long is no reason to sleep long */

static uint64_t cpu_ns(void)
{
	struct timespec t;

	/* #syscalls:front clock_gettime */
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

unsigned duty_rest_ms(uint64_t elapsed_ns, uint64_t work_ns)
{
	uint64_t rest_ms = work_ns / 3 / MS;

	if (work_ns < elapsed_ns / 4 * 3)
		return 0;
	return rest_ms < REST_MAX_MS ? (unsigned)rest_ms : REST_MAX_MS;
}

/* The time is cheap to read, the CPU's time is not: that one every few ms. */
void duty_rest(struct duty *d)
{
	uint64_t now_ns = clock_ns(), used_ns;
	unsigned rest_ms;

	if (now_ns - d->since_ns < WINDOW_NS)
		return;
	used_ns = cpu_ns();
	rest_ms = duty_rest_ms(now_ns - d->since_ns, used_ns - d->cpu_ns);
	if (rest_ms) {
		poll(NULL, 0, (int)rest_ms);
		now_ns = clock_ns();
	}
	*d = (struct duty){ now_ns, used_ns };
}
