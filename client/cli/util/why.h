/* SPDX-License-Identifier: MIT */
/*
 * Why a call failed, in words, where the caller has room for them: `char why[WHY_MAX]`, which a
 * function fills if it fails and leaves alone if not.
 */
#pragma once

#include "proto/util/option_table.h"

enum { WHY_MAX = OPTION_WHY_MAX }; /* so an option's take() can pass its own on */

/* %m is error's text.  Returns error. */
int why_set(char why[WHY_MAX], int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
