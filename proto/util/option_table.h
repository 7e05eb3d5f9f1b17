/* SPDX-License-Identifier: MIT */
/*
 * The options of a program or a command: a table that is read top to bottom as
 * its --help, and that says where each value is stored and which are refused.
 * It prints the help alone: what is wrong it returns as text.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define OPTION_WHY_MAX 512

enum option_kind {
	OPTION_KIND_CALL, /* take() stores or refuses it */
	OPTION_KIND_FLAG,
	OPTION_KIND_TEXT,
	OPTION_KIND_NUMBER,
	OPTION_KIND_MS,
	OPTION_KIND_CHOICE,
	OPTION_KIND_HELP,
	OPTION_KIND_VERSION,
};

struct option_row {
	const char *name; /* NULL: a paragraph of the help, or with no help the end */
	char letter;	  /* of the short option; 0: none */
	char unlisted;	  /* likewise, one that the help leaves out */
	const char
		*argument; /* what the help calls the value; "[X]": may be left out; NULL: none */
	enum option_kind kind; /* and what belongs to it: one of the macros below */
	size_t offset;	       /* of where the value is stored in the table's structure */
	double min, max;
	const char *const *choices;
	int (*take)(void *to, const char *value, char why[OPTION_WHY_MAX]);
	const char *must;  /* be what, if the value is refused; NULL: what its kind says */
	bool show_default; /* at the end of the help: the number that is stored there */
	const char *help;  /* its lines; NULL: the help does not list it */
};

/* Where a member is, which must have the type that the kind writes. */
#define OPTION_AT(type, member, kind)                                                              \
	(offsetof(type, member) + 0 * sizeof(&((type *)0)->member == (kind *)0))

#define OPTION_FLAG(type, member) .kind = OPTION_KIND_FLAG, .offset = OPTION_AT(type, member, bool)
#define OPTION_TEXT(type, member)                                                                  \
	.kind = OPTION_KIND_TEXT, .offset = OPTION_AT(type, member, const char *)
/* Digits alone; of UINT_MAX the user is not told. */
#define OPTION_NUMBER(type, member, from, to)                                                      \
	.kind = OPTION_KIND_NUMBER, .offset = OPTION_AT(type, member, unsigned), .min = (from),    \
	.max = (to)
/* Seconds, also fractions of one, stored as milliseconds. */
#define OPTION_MS(type, member, from, to)                                                          \
	.kind = OPTION_KIND_MS, .offset = OPTION_AT(type, member, int), .min = (from), .max = (to)
/* One of a list of names that NULL ends, stored as its index. */
#define OPTION_CHOICE(type, member, names)                                                         \
	.kind = OPTION_KIND_CHOICE, .offset = OPTION_AT(type, member, int), .choices = (names)
/* take() returns 0, or below 0 after writing why. */
#define OPTION_CALL(function) .kind = OPTION_KIND_CALL, .take = (function)

#define OPTION_PARAGRAPH(text) ((struct option_row){ .help = (text) })
#define OPTION_END	       ((struct option_row){ .name = NULL })

/* The rows of one table and the structure that they fill. */
struct option_table {
	const struct option_row *rows;
	void *to;
};

enum { OPTION_HELP = 1, OPTION_VERSION = 2 };

/*
 * Reads the options of all tables up to the first without rows; with only_first none after a
 * word that is no option.  The words that are left begin at argv[optind].  0; OPTION_HELP or
 * OPTION_VERSION, of which the rest is not read; or -EINVAL with why.
 */
int option_table_read(const struct option_table *tables, bool only_first, int argc, char **argv,
		      char why[OPTION_WHY_MAX]);

/* Prints the help: what an option is for begins in this column.  Defaults are read from `to`. */
void option_table_print(FILE *out, const struct option_table *table, int column);

/* Digits alone, from min to max.  0, or -ERANGE. */
int option_number(const char *text, unsigned min, unsigned max, unsigned *ret);

/*
 * What somebody meant who misspelt a word: the nearest of the names that name(i) returns, until
 * NULL; NULL: none is near.
 */
const char *suggest(const char *word, const char *(*name)(size_t i, const void *ctx),
		    const void *ctx);
