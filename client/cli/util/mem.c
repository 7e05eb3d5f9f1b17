/* SPDX-License-Identifier: MIT */
/* Allocations that succeed or end the command. */
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/util/mem.h"

void mem_none(void)
{
	fputs("rssb: out of memory\n", stderr); /* not cli_fail(), which allocates */
	exit(EXIT_FAILURE);
}

void *mem_new(size_t n, size_t size)
{
	return mem_must(calloc(n ? n : 1, size));
}

char *mem_format(const char *format, ...)
{
	char *text = NULL;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	return mem_must(n < 0 ? NULL : text);
}

void mem_freep(void *pp)
{
	free(*(void **)pp);
}

void mem_json_putp(struct json_object **pp)
{
	json_object_put(*pp);
}

void mem_json_set(struct json_object *object, const char *key, struct json_object *value)
{
	if (json_object_object_add(object, key, mem_must(value)))
		mem_none();
}

void mem_json_set_string(struct json_object *object, const char *key, const char *value)
{
	mem_json_set(object, key, json_object_new_string(value));
}

struct json_object *mem_json_pair(const char *key, const char *value)
{
	struct json_object *object = mem_must(json_object_new_object());

	mem_json_set_string(object, key, value);
	return object;
}

void mem_json_add(struct json_object *array, struct json_object *value)
{
	if (json_object_array_add(array, mem_must(value)))
		mem_none();
}

size_t mem_json_length(struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

int mem_json_int(struct json_object *object, const char *path)
{
	struct json_object *value = NULL;

	json_pointer_get(object, path, &value);
	return json_object_get_int(value);
}

const char *mem_json_text(struct json_object *object, int flags)
{
	return mem_must(json_object_to_json_string_ext(object, flags));
}
