/* SPDX-License-Identifier: MIT */
/* Quoting for a POSIX shell. */
#include "client/cli/util/shell_word.h"

#include <string.h>

#include "client/cli/util/mem.h"

char *shell_word(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789/._-+:@%";
	char *quoted, *out;

	if (word[0] && word[0] != '-' && !word[strspn(word, plain)])
		return mem_must(strdup(word));
	out = quoted = mem_new(4 * strlen(word) + 5, 1);
	/* A word that begins with '-' would be an option: "./" is put before it. */
	out = stpcpy(out, word[0] == '-' ? "./'" : "'");
	for (; *word; word++) {
		if (*word == '\'')
			out = stpcpy(out, "'\\''");
		else
			*out++ = *word;
	}
	strcpy(out, "'");
	return quoted;
}
