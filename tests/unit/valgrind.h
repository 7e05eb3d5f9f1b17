/* SPDX-License-Identifier: MIT */
/* What cannot be tested under valgrind (tests/run/valgrind.sh says that it is one). */
#pragma once

#include <stdbool.h>
#include <stdlib.h>

/* It keeps RLIMIT_NOFILE to itself: the kernel hears of no lower limit. */
static inline bool fd_limit_is_pretended(void)
{
	return getenv("RSSB_VALGRIND");
}

/* It runs a copy of each instruction, and knows no step of one. */
static inline bool is_single_stepped(void)
{
	return getenv("RSSB_VALGRIND");
}
