/* SPDX-License-Identifier: MIT */
/* How many letters are wrong, missing, too many or swapped with the next. */
#include "proto/suggest.h"

#include <string.h>

enum { LENGTH_MAX = 32, WRONG_MAX = 2 };

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* One row of the table for each letter of a: how far a's beginning is from each of b's. */
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
