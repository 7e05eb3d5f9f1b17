/* SPDX-License-Identifier: MIT */
/*
 * Durations counted in buckets of at most 1.6 % of their value, so that a
 * percentile of any number of rounds comes from all their samples.  Pure.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_BITS	  6 /* 64 buckets an octave */
#define HISTOGRAM_OCTAVES 34
#define HISTOGRAM_BUCKETS (HISTOGRAM_OCTAVES << HISTOGRAM_BITS)

struct histogram {
	uint64_t count[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t ns)
{
	unsigned shift, bucket;

	if (ns < 2u << HISTOGRAM_BITS)
		return (unsigned)ns;
	shift = 63 - (unsigned)__builtin_clzll(ns) - HISTOGRAM_BITS;
	bucket = (shift << HISTOGRAM_BITS) + (unsigned)(ns >> shift);
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The shortest duration of a bucket. */
static inline uint64_t histogram_value(unsigned bucket)
{
	unsigned shift = bucket >> HISTOGRAM_BITS;

	if (shift < 2)
		return bucket;
	shift--;
	return (uint64_t)(bucket - (shift << HISTOGRAM_BITS)) << shift;
}

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
	h->count[histogram_bucket(ns)]++;
}

static inline void histogram_merge(struct histogram *h, const struct histogram *other)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		h->count[i] += other->count[i];
}

/* As JSON: [[ns, count], ...], empty buckets left out. */
static inline void histogram_print(const struct histogram *h)
{
	const char *comma = "";

	putchar('[');
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (!h->count[i])
			continue;
		printf("%s[%llu, %llu]", comma, (unsigned long long)histogram_value(i),
		       (unsigned long long)h->count[i]);
		comma = ", ";
	}
	putchar(']');
}
