/* SPDX-License-Identifier: MIT */
/* A line's text from a format.  Must never write behind its buffer. */
#include "broker/common/line_format.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 20 /* of 64 bits */

struct line {
	char *at, *end; /* of what is free; the last byte is for the 0 */
};

static void put(struct line *line, const char *text, size_t n)
{
	size_t room = (size_t)(line->end - line->at);

	if (n > room)
		n = room;
	memcpy(line->at, text, n);
	line->at += n;
}

static void put_number(struct line *line, uint64_t number, bool negative)
{
	char digits[DIGITS_MAX + 1], *first = digits + sizeof(digits);

	do {
		*--first = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	if (negative)
		*--first = '-';
	put(line, first, (size_t)(digits + sizeof(digits) - first));
}

static void put_int(struct line *line, int number)
{
	int64_t wide = number;

	put_number(line, (uint64_t)(wide < 0 ? -wide : wide), wide < 0);
}

static void put_string(struct line *line, const char *text, size_t max)
{
	text = text ?: "(null)";
	put(line, text, strnlen(text, max));
}

/* False: there is a conversion that is not known here. */
static bool put_all(struct line *line, const char *format, va_list args)
{
	const char *spec;

	for (; (spec = strchr(format, '%')); format = spec) {
		size_t max = SIZE_MAX;

		put(line, format, (size_t)(spec++ - format));
		if (*spec == '%') {
			put(line, spec, 1);
		} else if (*spec == 'd') {
			put_int(line, va_arg(args, int));
		} else if (*spec == 'u') {
			put_number(line, va_arg(args, unsigned), false);
		} else if (*spec == 'l' || *spec == 'z') {
			_Static_assert(sizeof(long) == sizeof(long long) &&
					       sizeof(long) == sizeof(size_t),
				       "64 bits all");
			spec += strspn(spec, "lz");
			if (*spec != 'u')
				return false;
			put_number(line, va_arg(args, unsigned long), false);
		} else {
			if (*spec == '.')
				max = strtoul(spec + 1, (char **)&spec, 10);
			if (*spec != 's')
				return false;
			put_string(line, va_arg(args, const char *), max);
		}
		spec++;
	}
	put(line, format, strlen(format));
	return true;
}

size_t line_format(char *ret, size_t size, const char *format, va_list args)
{
	struct line line = { ret, ret + size - 1 };
	va_list again;
	int n;

	va_copy(again, args);
	if (put_all(&line, format, args)) {
		*line.at = '\0';
		n = (int)(line.at - ret);
	} else {
		n = vsnprintf(ret, size, format, again);
	}
	va_end(again);
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}
