/* SPDX-License-Identifier: MIT */
/* A line's text from a format.  Must never write behind its buffer. */
#include "broker/common/line_format.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
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

/* "%.Ns" or "%s" behind its '%'. */
static const char *put_string(struct line *line, const char *spec, const char *text)
{
	size_t max = SIZE_MAX;

	if (*spec == '.')
		for (max = 0, spec++; *spec >= '0' && *spec <= '9'; spec++)
			max = max * 10 + (size_t)(*spec - '0');
	text = text ?: "(null)";
	put(line, text, strnlen(text, max));
	return spec + 1;
}

static bool is_string(const char *spec)
{
	if (*spec == '.')
		spec += 1 + strspn(spec + 1, "0123456789");
	return *spec == 's';
}

/* Whether what comes behind a '%' is known here. */
static bool is_known(const char *spec)
{
	return *spec == 'u' || *spec == 'd' || *spec == '%' || is_string(spec) ||
	       !strncmp(spec, "lu", 2) || !strncmp(spec, "llu", 3) || !strncmp(spec, "zu", 2);
}

static bool all_known(const char *format)
{
	while ((format = strchr(format, '%'))) {
		if (!is_known(format + 1))
			return false;
		format += format[1] == '%' ? 2 : 1;
	}
	return true;
}

static void put_all(struct line *line, const char *format, va_list args)
{
	const char *spec;

	for (; (spec = strchr(format, '%')); format = spec) {
		put(line, format, (size_t)(spec++ - format));
		if (*spec == '%') {
			put(line, spec++, 1);
		} else if (*spec == 'd') {
			put_int(line, va_arg(args, int));
			spec++;
		} else if (*spec == 'u') {
			put_number(line, va_arg(args, unsigned), false);
			spec++;
		} else if (*spec == 'l' || *spec == 'z') {
			_Static_assert(sizeof(long) == sizeof(long long) &&
					       sizeof(long) == sizeof(size_t),
				       "64 bits all");
			put_number(line, va_arg(args, unsigned long), false);
			spec = strchr(spec, 'u') + 1;
		} else {
			spec = put_string(line, spec, va_arg(args, const char *));
		}
	}
	put(line, format, strlen(format));
}

size_t line_format(char *ret, size_t size, const char *format, va_list args)
{
	struct line line = { ret, ret + size - 1 };

	if (!all_known(format)) {
		int n = vsnprintf(ret, size, format, args);

		return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
	}
	put_all(&line, format, args);
	*line.at = '\0';
	return (size_t)(line.at - ret);
}
