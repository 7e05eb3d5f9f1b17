/* SPDX-License-Identifier: MIT */
/* Words of others, as they may go to a terminal and stay in one line. */
#pragma once

/* Turns each control character, also those of two bytes in UTF-8, into '?'.  Returns text. */
char *sanitize_line(char *text);
