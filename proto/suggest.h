/* SPDX-License-Identifier: MIT */
/* What somebody meant who misspelt a word.  Pure. */
#pragma once

#include <stddef.h>

/* Gives the nearest of the names that name(i) returns, until NULL; NULL: none is near. */
const char *suggest(const char *word, const char *(*name)(size_t i, const void *ctx),
		    const void *ctx);
