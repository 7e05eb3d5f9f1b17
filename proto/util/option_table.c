/* SPDX-License-Identifier: MIT */
/* Options by table: what getopt_long() needs is made of the rows, and so is the help. */
#include "proto/util/option_table.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Rows are told by numbers above what getopt_long() returns for itself, such as '?'. */
enum { ROWS_MAX = 40, ROW_0 = 256 };

struct reader {
	size_t n;
	const struct option_row *row[ROWS_MAX];
	void *to[ROWS_MAX]; /* the structure of each */
	struct option longs[ROWS_MAX + 1];
	char shorts[4 * ROWS_MAX + 3];
	char *why;
};

static int refuse(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, OPTION_WHY_MAX, format, args);
	va_end(args);
	return -EINVAL;
}

/* --- values ----------------------------------------------------------------------------- */

int option_number(const char *text, unsigned min, unsigned max, unsigned *ret)
{
	const size_t digits = strspn(text, "0123456789");
	unsigned long n;

	errno = 0;
	n = strtoul(text, NULL, 10);
	if (!digits || text[digits] || errno || n < min || n > max)
		return -ERANGE;
	*ret = (unsigned)n;
	return 0;
}

static int ms_read(const char *text, double min, double max, int *ret)
{
	char *end;
	double seconds = strtod(text, &end);

	if (*end || end == text || !(seconds >= min && seconds <= max)) /* also not NaN */
		return -ERANGE;
	*ret = (int)(seconds * 1000);
	return 0;
}

static int choice_read(const char *text, const char *const *choices, int *ret)
{
	for (int i = 0; choices[i]; i++) {
		if (strcmp(text, choices[i]) == 0) {
			*ret = i;
			return 0;
		}
	}
	return -ERANGE;
}

/* "a, b or c". */
static void choices_list(char *ret, size_t size, const char *const *choices)
{
	*ret = '\0';
	for (size_t i = 0; choices[i]; i++) {
		const char *before = i == 0 ? "" : choices[i + 1] ? ", " : " or ";
		const size_t len = strlen(ret);

		snprintf(ret + len, size - len, "%s%s", before, choices[i]);
	}
}

static int value_refuse(const struct option_row *row, const char *value, char *why)
{
	char must[160] = "";

	if (row->must)
		snprintf(must, sizeof(must), "%s", row->must);
	else if (row->kind == OPTION_KIND_CHOICE)
		choices_list(must, sizeof(must), row->choices);
	else if (row->kind == OPTION_KIND_MS)
		snprintf(must, sizeof(must), "seconds, from %g to %.0f", row->min, row->max);
	else if (row->max == UINT_MAX)
		snprintf(must, sizeof(must), "a number from %.0f on", row->min);
	else
		snprintf(must, sizeof(must), "a number from %.0f to %.0f", row->min, row->max);
	return refuse(why, "--%s %s: must be %s", row->name, value, must);
}

static int value_take(const struct option_row *row, void *to, const char *value, char *why)
{
	void *at = (char *)to + row->offset;
	int err = 0;

	switch (row->kind) {
	case OPTION_KIND_CALL:
		return row->take(to, value, why);
	case OPTION_KIND_HELP:
		return OPTION_HELP;
	case OPTION_KIND_VERSION:
		return OPTION_VERSION;
	case OPTION_KIND_FLAG:
		*(bool *)at = true;
		break;
	case OPTION_KIND_TEXT:
		*(const char **)at = value;
		break;
	case OPTION_KIND_NUMBER:
		err = option_number(value, (unsigned)row->min, (unsigned)row->max, at);
		break;
	case OPTION_KIND_MS:
		err = ms_read(value, row->min, row->max, at);
		break;
	case OPTION_KIND_CHOICE:
		err = choice_read(value, row->choices, at);
	}
	return err ? value_refuse(row, value, why) : 0;
}

/* --- what was meant ------------------------------------------------------------------- */

enum { LENGTH_MAX = 32, WRONG_MAX = 2 };

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * How many letters are wrong, missing, too many or swapped with the next.  One row of the table
 * for each letter of a: how far a's beginning is from each of b's.
 */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][LENGTH_MAX + 1], n = strlen(b);
	size_t *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= n; j++)
		last[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t *oldest = before;

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			row[j] = least(least(last[j], row[j - 1]) + 1,
				       last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		before = last;
		last = row;
		row = oldest;
	}
	return last[n];
}

const char *suggest(const char *word, const char *(*name)(size_t i, const void *ctx),
		    const void *ctx)
{
	size_t nearest = WRONG_MAX + 1;
	const char *found = NULL, *each;

	if (!*word || strlen(word) > LENGTH_MAX)
		return NULL;
	for (size_t i = 0; (each = name(i, ctx)); i++) {
		size_t wrong = strlen(each) > LENGTH_MAX ? nearest : distance(word, each);

		if (wrong < nearest && wrong < strlen(each)) {
			nearest = wrong;
			found = each;
		}
	}
	return found;
}

/* --- words ------------------------------------------------------------------------------ */

static const char *row_name(size_t i, const void *reader)
{
	return ((const struct reader *)reader)->longs[i].name;
}

/* What is wrong with a long option: getopt_long() does not tell. */
static int long_refuse(const struct reader *r, const char *word)
{
	char name[OPTION_WHY_MAX];
	const char *meant;
	size_t alike = 0;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	for (size_t i = 0; i < r->n; i++)
		alike += strncmp(r->longs[i].name, name, strlen(name)) == 0;
	if (alike > 1)
		return refuse(r->why, "--%.200s: more than one option begins with this", name);
	if (alike)
		return refuse(r->why, "--%s: takes no value", name);
	meant = suggest(name, row_name, r);
	if (meant)
		return refuse(r->why, "--%s: no such option; did you mean --%s?", name, meant);
	return refuse(r->why, "--%.200s: no such option", name);
}

static int word_refuse(const struct reader *r, int opt, const char *word)
{
	/* Of a short option getopt tells the letter, of a long one the word. */
	if (word[0] == '-' && word[1] == '-' && opt == ':')
		return refuse(r->why, "%s: needs a value", word);
	if (word[0] == '-' && word[1] == '-')
		return long_refuse(r, word);
	return refuse(r->why, "-%c: %s", optopt, opt == ':' ? "needs a value" : "no such option");
}

static void row_add(struct reader *r, const struct option_row *row, void *to)
{
	const char letters[] = { row->letter, row->unlisted };
	const int argument = !row->argument	     ? no_argument
			     : *row->argument == '[' ? optional_argument
						     : required_argument;

	r->row[r->n] = row;
	r->to[r->n] = to;
	r->longs[r->n] = (struct option){ row->name, argument, NULL, ROW_0 + (int)r->n };
	r->n++;
	for (size_t i = 0; i < sizeof(letters); i++) {
		const char more[] = { letters[i], row->argument ? ':' : '\0', '\0' };

		if (letters[i])
			strcat(r->shorts, more);
	}
}

/* The row that getopt_long() found, by its number or its letter; -1: none. */
static int row_find(const struct reader *r, int opt)
{
	if (opt >= ROW_0)
		return opt - ROW_0;
	for (size_t i = 0; i < r->n; i++)
		if (opt == r->row[i]->letter || opt == r->row[i]->unlisted)
			return (int)i;
	return -1;
}

int option_table_read(const struct option_table *tables, bool only_first, int argc, char **argv,
		      char why[OPTION_WHY_MAX])
{
	struct reader r = { .why = why };
	int opt, err = 0;

	strcpy(r.shorts, only_first ? "+:" : ":");
	for (; tables->rows; tables++)
		for (const struct option_row *row = tables->rows; row->name || row->help; row++)
			if (row->name && r.n < ROWS_MAX)
				row_add(&r, row, tables->to);
	opterr = 0;
	optind = 0; /* the GNU way of starting over with another argv */
	while (!err && (opt = getopt_long(argc, argv, r.shorts, r.longs, NULL)) != -1) {
		int i = row_find(&r, opt);

		err = i < 0 ? word_refuse(&r, opt, argv[optind - 1])
			    : value_take(r.row[i], r.to[i], optarg, why);
	}
	return err;
}

/* --- help ------------------------------------------------------------------------------- */

/* An option that leaves no room before the column gets a line of its own. */
static void row_print(FILE *out, const struct option_row *row, int column)
{
	const char letter[] = { '-', row->letter, ',', ' ', '\0' };
	char left[64];
	int at = snprintf(left, sizeof(left), "  %s--%s%s%s", row->letter ? letter : "", row->name,
			  row->argument ? " " : "", row->argument ? row->argument : "");

	fprintf(out, at + 2 > column ? "%s\n%*s" : "%s%*s", left,
		at + 2 > column ? column : column - at, "");
	for (const char *line = row->help; *line; line += strcspn(line, "\n")) {
		if (*line == '\n')
			line++;
		if (line != row->help)
			fprintf(out, "\n%*s", *line ? column : 0, "");
		fprintf(out, "%.*s", (int)strcspn(line, "\n"), line);
	}
}

void option_table_print(FILE *out, const struct option_table *table, int column)
{
	for (const struct option_row *row = table->rows; row->name || row->help; row++) {
		const void *at = (const char *)table->to + row->offset;

		if (!row->name)
			fputs(row->help, out);
		if (!row->name || !row->help)
			continue;
		row_print(out, row, column);
		if (row->show_default)
			fprintf(out, " (%u)", *(const unsigned *)at);
		putc('\n', out);
	}
}
