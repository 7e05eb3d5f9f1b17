/* SPDX-License-Identifier: MIT */
/* Why an object is refused: one line, in which no byte of the object stands as it is. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "bpf/object_check/judge.h"

int shape_refuse(struct shape_judge *j, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(j->why, OBJECT_CHECK_WHY_MAX, format, args);
	va_end(args);
	return -EINVAL;
}

struct shape_word shape_word(const char *name)
{
	struct shape_word word = { "" };

	for (size_t i = 0; i < sizeof(word.text) - 1 && name[i]; i++)
		word.text[i] = isgraph((unsigned char)name[i]) ? name[i] : '?';
	return word;
}
