/* SPDX-License-Identifier: MIT */
/*
 * How much of a CPU a loop may take: three quarters, so that a flood leaves the
 * rest to the loader, and never costs the machine more than one core.
 */
#pragma once

#include <stdint.h>

/* All zero: nothing was done yet. */
struct duty {
	uint64_t since_ns; /* when what counts began */
	uint64_t cpu_ns;   /* the CPU time that was used by then */
};

/* How long to rest after work_ns of CPU in elapsed_ns of time, in ms; 0: not at all. */
unsigned duty_rest_ms(uint64_t elapsed_ns, uint64_t work_ns);

/* Once a turn: sleeps for a moment if the last few ms were nearly all work. */
void duty_rest(struct duty *d);
