/* SPDX-License-Identifier: MIT */
/* A round of rssb balance: what was measured, and what was moved for it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "client/cli/rss/even_out.h"

struct round {
	unsigned long number; /* from 1 */
	double seconds;
	uint64_t packets, bytes; /* of the grant, in these seconds */
	uint64_t entry_bytes[RSSB_TABLE_ENTRIES_MAX];
	struct rssb_table table; /* the table that steered this round's packets */
	struct even_out_load load;
	double peak;	 /* the largest queue over the fair share, as measured */
	double expected; /* likewise after the moves, for the same load */
	size_t n;
	struct rssb_move move[RSSB_MOVES_AT_ONCE];
	bool moved; /* false: the moves were only computed, not made */
};

/* One line; with verbose a line more for each move. */
void round_print(FILE *out, const struct round *r, bool verbose);

/* One JSON object in one line. */
void round_print_json(FILE *out, const struct round *r);
