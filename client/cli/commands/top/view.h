/* SPDX-License-Identifier: MIT */
/* The three ways in which rssb top shows rates. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "client/cli/commands/top/rates.h"

struct view_size {
	unsigned columns, rows;
	bool utf8; /* bars of block characters, else of '#' */
};

/*
 * A screenful: at most size->rows lines, none wider than size->columns, each
 * ended by a newline but the last.  name is what the user calls the grant.
 */
void view_screen(FILE *out, const struct rates *r, const char *name, const struct view_size *size);

/* One line. */
void view_line(FILE *out, const struct rates *r);

/* One JSON object in one line. */
void view_json(FILE *out, const struct rates *r);
