/* SPDX-License-Identifier: MIT */
/* A point on the monotonic clock by which a call must have ended. */
#pragma once

#include <limits.h>
#include <stdint.h>
#include <time.h>

#define DEADLINE_NEVER INT64_MAX

static inline int64_t deadline_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* timeout_ms below 0: never. */
static inline int64_t deadline_in(int timeout_ms)
{
	return timeout_ms < 0 ? DEADLINE_NEVER : deadline_now_ms() + timeout_ms;
}

/* What is left, as poll(2) wants it: -1 without a deadline, 0 when it has passed. */
static inline int deadline_left_ms(int64_t deadline)
{
	int64_t left;

	if (deadline == DEADLINE_NEVER)
		return -1;
	left = deadline - deadline_now_ms();
	if (left <= 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}
