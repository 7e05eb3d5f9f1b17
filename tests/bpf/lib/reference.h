/* SPDX-License-Identifier: MIT */
/*
 * What a steering program must answer, in plain user-space C: the Toeplitz hash bit
 * by bit, and the virtio specification's rules read straight from a packet in memory.
 * It shares no code with the programs, and speed is no concern.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bpf/lib/steering.h"

/*
 * Where QEMU's program is known to decide otherwise.  docs/qemu.md has them by these
 * names, tests/bpf/test_rules.c shows each.
 */
enum reference_difference {
	DIFF_EX_TYPES = 1 << 0,		/* ex-types */
	DIFF_NO_EXTENSION = 1 << 1,	/* not-an-extension */
	DIFF_AH = 1 << 2,		/* ah */
	DIFF_FRAGMENT_PAYLOAD = 1 << 3, /* fragment-payload */
	DIFF_CUT_HEADER = 1 << 4,	/* cut-header */
	DIFF_OPTION_LIMIT = 1 << 5,	/* option-limit */
	DIFF_HOME_OUTSIDE = 1 << 6,	/* home-outside */
	DIFF_TABLE_LEN = 1 << 7,	/* table-length */
	DIFF_VLAN = 1 << 8,		/* vlan */
	DIFF_PAGED = 1 << 9,		/* paged */
	DIFF_FRAGMENT_LENGTH = 1 << 10, /* fragment-length */
};
#define DIFF_COUNT 11

/* The name of difference number i. */
extern const char *const reference_difference_names[DIFF_COUNT];

/* What is hashed, and why not. */
struct reference_verdict {
	uint32_t type; /* the RSS_HASH_ type; 0: not hashed */
	bool inner;    /* what counts is inside a tunnel, by the RSS_TUNNEL_ bits of the types */
	enum { MISS_NONE, MISS_NO_TYPE, MISS_TRUNCATED, MISS_NOT_IP, MISS_CONFIG } miss;
	uint8_t input[36];
	size_t input_len;
	uint32_t hash;
	int entry; /* of the table; -1: none */
	int queue;
	unsigned int differences; /* that may concern this packet */
};

uint32_t reference_toeplitz(const uint8_t key[RSS_KEY_LEN], const uint8_t *input, size_t len);

void reference_steer(const struct steering *s, const uint8_t *packet, size_t len,
		     struct reference_verdict *ret);
