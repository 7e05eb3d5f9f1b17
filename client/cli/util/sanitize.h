/* SPDX-License-Identifier: MIT */
/* Makes text of others fit for a terminal and for one line. */
#pragma once

/* Turns each control character, also those of two bytes in UTF-8, into '?'.  Returns text. */
char *sanitize_line(char *text);
