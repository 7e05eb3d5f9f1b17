/* SPDX-License-Identifier: MIT */
/*
 * The closer: a process whose blocking hurts nobody.  Where the kernel cannot
 * refuse fds from clients (before Linux 6.16), closing a connection with unread
 * input may wait for as long as a client chose; so the front gives such a
 * connection away and drops its own copy, which is never the last.
 */
#pragma once

#include <stdbool.h>

#include "sandbox.h"

/* Owns sock; -1: there is no need of a closer. */
struct closer {
	int sock;
};
#define CLOSER_INIT                                                                                \
	{                                                                                          \
		.sock = -1                                                                         \
	}

/* Forks the closer; it has no capability. */
int closer_start(struct closer *ret, const struct identity *id);

static inline bool closer_is_needed(const struct closer *c)
{
	return c->sock >= 0;
}

/* Gives *fd away.  -EAGAIN: every hand is full, *fd is still the caller's. */
int closer_take(const struct closer *c, int *fd);
