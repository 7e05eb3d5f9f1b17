/* SPDX-License-Identifier: MIT */
/* QEMU's k=v notation: a comma ends a value, two commas are one in it. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/qemu/opts.h"
#include "client/cli/util/mem.h"

/* One "key=value" or bare word; both are to be freed. */
struct word {
	char *key; /* NULL: bare */
	char *value;
};

static void word_done(struct word *w)
{
	free(w->key);
	free(w->value);
}

/* Takes a value off *text, and the comma after it. */
static char *value_take(const char **text)
{
	const char *p = *text;
	char *value = mem_new(strlen(p) + 1, 1);
	size_t n = 0;

	for (; *p; p++) {
		if (*p == ',' && *++p != ',')
			break;
		value[n++] = *p;
	}
	*text = p;
	return value;
}

static struct word word_take(const char **text, bool bare_value)
{
	size_t n = strcspn(*text, "=,");
	struct word w = { 0 };

	if ((*text)[n] == '=') {
		w.key = mem_must(strndup(*text, n));
		*text += n + 1;
		w.value = value_take(text);
	} else if (bare_value) {
		w.value = value_take(text);
	} else {
		w.value = mem_must(strndup(*text, n));
		*text += n + ((*text)[n] == ',');
	}
	return w;
}

static void opts_set(struct json_object *opts, const char *key, const char *value)
{
	if (strcmp(key, "id") == 0 && json_object_object_get_ex(opts, key, NULL))
		return;
	mem_json_set_string(opts, key, value);
}

/* A flag is key=on, and with "no" before it key=off. */
static void opts_set_flag(struct json_object *opts, const char *flag)
{
	bool no = strncmp(flag, "no", 2) == 0;

	opts_set(opts, no ? flag + 2 : flag, no ? "off" : "on");
}

struct json_object *qemu_opts_parse(const char *text, const char *implied)
{
	struct json_object *opts = mem_must(json_object_new_object());
	bool first = true;

	while (*text) {
		struct word w = word_take(&text, first && implied);

		if (w.key)
			opts_set(opts, w.key, w.value);
		else if (first && implied)
			opts_set(opts, implied, w.value);
		else
			opts_set_flag(opts, w.value);
		first = false;
		word_done(&w);
	}
	return opts;
}

bool qemu_opts_asks_help(const char *text)
{
	bool help = false;

	for (bool first = true; *text && !help; first = false) {
		struct word w = word_take(&text, first);

		help = !w.key && (!strcmp(w.value, "help") || !strcmp(w.value, "?"));
		word_done(&w);
	}
	return help;
}

/* value with its commas doubled, after `before`. */
static char *value_append(char *before, const char *value)
{
	char *out = mem_new(strlen(before) + 2 * strlen(value) + 1, 1);
	char *p = stpcpy(out, before);

	for (; *value; value++) {
		if (*value == ',')
			*p++ = ',';
		*p++ = *value;
	}
	free(before);
	return out;
}

char *qemu_opts_format(struct json_object *opts, const char *implied)
{
	const char *first = implied ? qemu_opts_get(opts, implied) : NULL;
	char *out = mem_must(strdup(""));

	if (first)
		out = value_append(out, first);
	json_object_object_foreach(opts, key, value)
	{
		char *more;

		if (first && strcmp(key, implied) == 0)
			continue;
		more = mem_format("%s%s%s=", out, *out ? "," : "", key);
		free(out);
		out = value_append(more, json_object_get_string(value));
	}
	return out;
}

bool qemu_opts_bool(const char *value, bool *ret)
{
	static const char *const words[][2] = {
		{ "off", "on" },
		{ "no", "yes" },
		{ "false", "true" },
		{ "n", "y" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (int truth = 0; truth < 2; truth++)
			if (strcmp(value, words[i][truth]) == 0) {
				*ret = truth;
				return true;
			}
	return false;
}

const char *qemu_opts_get(struct json_object *opts, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(opts, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

bool qemu_word_is_in(const char *word, const char *words)
{
	for (size_t n; *words; words += n + strspn(words + n, " ")) {
		n = strcspn(words, " ");
		if (strlen(word) == n && strncmp(words, word, n) == 0)
			return true;
	}
	return false;
}

bool qemu_list_has(struct json_object *list, const char *name)
{
	const size_t n = mem_json_length(list);

	for (size_t i = 0; i < n; i++) {
		const char *own = qemu_opts_get(json_object_array_get_idx(list, i), "name");

		if (own && strcmp(own, name) == 0)
			return true;
	}
	return false;
}
