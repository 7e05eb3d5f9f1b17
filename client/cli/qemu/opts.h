/* SPDX-License-Identifier: MIT */
/*
 * QEMU's k=v notation, "driver,key=value,flag,noflag", as a JSON object of
 * strings.  It reads what QEMU would read; it judges no value.
 */
#pragma once

#include <stdbool.h>

struct json_object;

/*
 * The keys in the order of their first appearance; the last value of a key
 * wins, but the first id does.  A first word without '=' is the value of the
 * key `implied` (NULL: a flag like any other).  The caller's reference.
 */
struct json_object *qemu_opts_parse(const char *text, const char *implied);

/* Whether QEMU would print help instead of starting: a bare "help" or "?". */
bool qemu_opts_asks_help(const char *text);

/* The other way round; the value of `implied` comes first and bare.  To be freed. */
char *qemu_opts_format(struct json_object *opts, const char *implied);

/* What QEMU takes for true and false in a k=v value.  False if it is neither. */
bool qemu_opts_bool(const char *value, bool *ret);

/* opts[key] if it is there and a string, else NULL. */
const char *qemu_opts_get(struct json_object *opts, const char *key);

/* Whether it is one of the words, which blanks separate. */
bool qemu_word_is_in(const char *word, const char *words);

/* Whether one object of a list, such as QMP's qom-list returns, has this "name". */
bool qemu_list_has(struct json_object *list, const char *name);
