/* SPDX-License-Identifier: MIT */
/*
 * vsnprintf(3) in a fifth of the instructions, for the conversions that log lines have.  Must never
 * say anything that vsnprintf does not.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/*
 * %s, %.Ns, %d, %u, %lu, %llu, %zu and %%; a format with another one is given to vsnprintf.  Writes
 * at most size bytes, 0 at the end; size is not 0.  Returns how many bytes there are before that 0.
 */
size_t line_format(char *ret, size_t size, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));
