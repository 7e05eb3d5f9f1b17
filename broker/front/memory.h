/* SPDX-License-Identifier: MIT */
/*
 * The broker's memory cgroup: sets that were handed over stay charged to it, and at its
 * limit the loader would be killed, not told.  Every cgroup above counts, too.  Limits and
 * usage are read ten times a second; what was handed out since then is added to the usage.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define MEMORY_LEVELS_MAX 16

/* One cgroup's files; -1: it has none of that name. */
struct memory_level {
	int usage, max, high;
};

/* Owns the fds. */
struct memory {
	unsigned n_levels;
	struct memory_level levels[MEMORY_LEVELS_MAX];
	unsigned percent;     /* of a limit: all that clients and broker may use */
	uint64_t otherwise;   /* bytes: the limit where no cgroup has one */
	uint64_t used, limit; /* bytes, of the cgroup with least room; limit 0: none has one */
	uint64_t room;	      /* below percent of the limit, when it was read */
	uint64_t handed_out;  /* bytes, since it was read */
	uint64_t read_ms;     /* 0: never */
};

/* Opens the files of this process's cgroup and of those above it; there may be none. */
void memory_open(struct memory *ret, unsigned percent, unsigned otherwise_mib);

/* How many bytes may be handed out; held: what clients hold as far as the broker knows. */
uint64_t memory_left(struct memory *m, uint64_t held, uint64_t now_ms);

/* Notes that so many bytes are handed out. */
void memory_take(struct memory *m, uint64_t bytes);

/* How much is in use of which limit, now; 0 of 0: there is no limit. */
void memory_read(struct memory *m, uint64_t now_ms);
