/* SPDX-License-Identifier: MIT */
/* What one client may cost the others: every number, with its default. */
#pragma once

#include <stddef.h>

struct limits {
	unsigned connections;	      /* in all */
	unsigned uid_connections;     /* of one uid, of all its labels */
	unsigned account_connections; /* of one account, as all that follow */
	unsigned account_unread;      /* connections with a reply that was not read */
	unsigned grants;	      /* live, in all */
	unsigned uid_grants;	      /* live, of one uid */
	unsigned account_grants;
	unsigned ended_grants;	 /* that ended; their fds may live on */
	unsigned ended_refill_s; /* one of them is forgotten */
	unsigned rate_burst;	 /* ACQUIREs at once */
	unsigned rate;		 /* ACQUIREs a second, 1 to 1000 */
	unsigned penalty_malformed_s;
	unsigned penalty_fd_s;
	unsigned penalty_timeout_s;
	unsigned penalty_max_s;
	unsigned first_request_ms; /* deadlines */
	unsigned read_reply_ms;
	unsigned memory_percent; /* of the memory cgroup's limit */
};

#define LIMITS_DEFAULT                                                                             \
	{                                                                                          \
		.connections = 512, .uid_connections = 256, .account_connections = 16,             \
		.account_unread = 4, .grants = 2048, .uid_grants = 1024, .account_grants = 64,     \
		.ended_grants = 1024, .ended_refill_s = 60, .rate_burst = 256, .rate = 50,         \
		.penalty_malformed_s = 1, .penalty_fd_s = 5, .penalty_timeout_s = 10,              \
		.penalty_max_s = 600, .first_request_ms = 1000, .read_reply_ms = 5000,             \
		.memory_percent = 75,                                                              \
	}

/* One limit as an option: --NAME VALUE, min to max. */
struct limit_row {
	const char *name;
	size_t offset; /* in struct limits */
	unsigned min, max;
	const char *help;
};

/* Ends with a row without a name. */
extern const struct limit_row limit_rows[];

/* -ERANGE: value is no number from the row's min to its max. */
int limit_set(struct limits *l, const struct limit_row *row, const char *value);

unsigned limit_get(const struct limits *l, const struct limit_row *row);
