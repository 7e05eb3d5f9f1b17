/* SPDX-License-Identifier: MIT */
/*
 * What one client may cost the others: every number, with its default.  The option
 * that changes it, and its range, are a row of broker/start/options.c.
 */
#pragma once

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
