/* SPDX-License-Identifier: MIT */
/* What one client may cost the others: every number, with its default. */
#pragma once

#include <stddef.h>

struct limits {
	unsigned connections;	 /* in all */
	unsigned unread;	 /* replies of one account that were not read */
	unsigned grants;	 /* live, in all */
	unsigned memory_percent; /* of the memory limit: above it nothing is handed out */
	unsigned memory_mib;	 /* the memory limit where the memory cgroup has none */
	unsigned share;	     /* a uid may hold 1/share of what is left: places, grants, memory */
	unsigned ended_kib;  /* KiB of ended grants forgotten in a minute */
	unsigned tokens;     /* an account may spend at once */
	unsigned token_rate; /* an account gets back in a second */
	unsigned first_request_ms; /* deadlines */
	unsigned read_reply_ms;
};

#define LIMITS_DEFAULT                                                                             \
	{                                                                                          \
		.connections = 512, .unread = 4, .grants = 4096, .memory_percent = 75,             \
		.memory_mib = 256, .share = 3, .ended_kib = 64, .tokens = 16000,                   \
		.token_rate = 1000, .first_request_ms = 1000, .read_reply_ms = 5000,               \
	}

/* What an account pays, in tokens. */
enum price {
	PRICE_CONNECTION = 1,
	PRICE_REQUEST = 1,
	PRICE_STATS = 5,
	PRICE_SET = 20, /* an ACQUIRE or an EXPORT, answered or not */
	PRICE_MALFORMED = 1000,
	PRICE_LATE = 2000, /* it missed a deadline */
	PRICE_FD = 5000,   /* it sent an fd */
};

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
