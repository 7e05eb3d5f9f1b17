/* SPDX-License-Identifier: MIT */
/*
 * A broker that is asked for sets until it answers, or until a deadline: it
 * may be busy, or being restarted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/cli/util/why.h"
#include "client/include/rssb.h"

struct retry {
	const char *what;   /* the command that asks */
	const char *socket; /* NULL: the default */
	bool verbose;	    /* say on stderr that it waits, also when that is no terminal */
	bool impatient;	    /* a broker that is not there has a second to come back */

	char why[WHY_MAX]; /* the last retry_acquire() failed: one line */

	/* the fields below are retry.c's own */
	struct rssb *c; /* keeps the last reason even when it is no longer connected */
	bool connected;
	bool told;
	bool no_set; /* the last answer had fds that are no program and maps */
	uint32_t pause_ms;
	int64_t deadline;
	int64_t absent_until; /* an impatient caller gives up then; 0: the broker was there */
};

/* The first four fields are the caller's to set before. */
void retry_start(struct retry *a, int wait_ms);
void retry_done(struct retry *a);

/* As rssb_acquire(). */
int retry_acquire(struct retry *a, const struct rssb_acquire_options *options, struct rssb_fds *ret,
		  struct rssb_grant *ret_grant);
