/* SPDX-License-Identifier: MIT */
/*
 * A token bucket as one number: the time at which it will be full again.  Empty
 * structs are full buckets.  In microseconds, for a rate that no whole number of
 * milliseconds is; the clock is read in those.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct token_bucket {
	uint64_t full_at_us;
};

/* How many tokens it holds at most, and how long each takes to come back. */
struct token_bucket_rule {
	uint64_t burst;
	uint64_t token_us;
};

/* In how many ms n tokens (or, if it never holds as many, all) will be there; 0: now. */
static inline uint64_t token_bucket_wait_ms(const struct token_bucket *b,
					    struct token_bucket_rule rule, uint64_t n,
					    uint64_t now_ms)
{
	uint64_t rest = n < rule.burst ? rule.burst - n : 0;
	uint64_t latest_us = now_ms * 1000 + rest * rule.token_us;

	return b->full_at_us > latest_us ? (b->full_at_us - latest_us + 999) / 1000 : 0;
}

/* Takes n tokens even if there are fewer: a debt is paid back in time. */
static inline void token_bucket_take(struct token_bucket *b, struct token_bucket_rule rule,
				     uint64_t n, uint64_t now_ms)
{
	if (b->full_at_us < now_ms * 1000)
		b->full_at_us = now_ms * 1000;
	b->full_at_us += n * rule.token_us;
}

static inline bool token_bucket_is_full(const struct token_bucket *b, uint64_t now_ms)
{
	return b->full_at_us <= now_ms * 1000;
}

/* How many tokens are out. */
static inline uint64_t token_bucket_used(const struct token_bucket *b,
					 struct token_bucket_rule rule, uint64_t now_ms)
{
	if (token_bucket_is_full(b, now_ms))
		return 0;
	return (b->full_at_us - now_ms * 1000 + rule.token_us - 1) / rule.token_us;
}
