/* SPDX-License-Identifier: MIT */
/* A word of a command that is printed for somebody to paste into a shell.  Pure. */
#pragma once

/* The word as a shell reads it, quoted if it needs to be, and never an option; to be freed. */
char *shell_word(const char *word);
