/* SPDX-License-Identifier: MIT */
/*
 * The front's end of the line to the closer.  The front passes the closer what
 * may block when it is closed, and drops its own copy, which is never the last.
 */
#pragma once

#include <stdbool.h>

/* Owns sock; -1: this kernel needs no closer. */
struct closer_link {
	int sock;
};
#define CLOSER_LINK_INIT                                                                           \
	{                                                                                          \
		.sock = -1                                                                         \
	}

static inline bool closer_link_is_needed(const struct closer_link *c)
{
	return c->sock >= 0;
}

/* Passes *fd on.  -EAGAIN: the closer is busy with as many as it can hold, *fd is still the
 * caller's. */
int closer_link_take(const struct closer_link *c, int *fd);
