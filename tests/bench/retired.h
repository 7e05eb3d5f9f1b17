/* SPDX-License-Identifier: MIT */
/*
 * The kernel's instructions on behalf of this thread, by the processor's counter.  Virtual machines
 * rarely have one; an emulated arm64 host with -icount does, and its is exact.
 */
#pragma once

#include <linux/perf_event.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The fd of the counter, or -1 with errno. */
static inline int retired_open(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.exclude_user = 1,
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static inline uint64_t retired_read(int counter)
{
	uint64_t n;

	return read(counter, &n, sizeof(n)) == sizeof(n) ? n : 0;
}
