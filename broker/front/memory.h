/* SPDX-License-Identifier: MIT */
/*
 * The broker's memory cgroup: sets that were handed over stay charged to it, and
 * at its limit the loader would be killed, not told.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Owns the fd. */
struct memory {
	int current;	/* how much is in use; -1: there is no limit to watch */
	uint64_t limit; /* bytes */
	unsigned percent;
	uint64_t read_ms; /* when it was last read */
	bool tight;
};
#define MEMORY_INIT                                                                                \
	{                                                                                          \
		.current = -1                                                                      \
	}

/* Finds the nearest cgroup above this process that has a limit; there may be none. */
void memory_open(struct memory *ret, unsigned percent);

/* How much is in use, bytes; 0: there is no limit to watch. */
uint64_t memory_used(const struct memory *m);

/* Whether more than percent of the limit is in use; looks at most ten times a second. */
bool memory_is_tight(struct memory *m, uint64_t now_ms);
