/* SPDX-License-Identifier: MIT */
/*
 * Memory for a command that runs once and then execs or exits: when there is
 * none it ends with one line and status 1.  Not for the library, not for the broker.
 */
#pragma once

#include <stddef.h>

/* Says that memory is out and ends the process. */
void mem_none(void) __attribute__((noreturn));

/*
 * Returns p, or ends the process if it is NULL.  Inline, so that static analysis sees who owns
 * p.
 */
static inline void *mem_must(const void *p)
{
	if (!p)
		mem_none();
	return (void *)p;
}

/* Zeroed. */
void *mem_new(size_t n, size_t size);

char *mem_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

void mem_freep(void *pp);
#define _cleanup_free_ __attribute__((cleanup(mem_freep)))

struct json_object;
void mem_json_putp(struct json_object **pp);
#define _cleanup_json_ __attribute__((cleanup(mem_json_putp)))

/* object[key] = value, which object then owns. */
void mem_json_set(struct json_object *object, const char *key, struct json_object *value);
void mem_json_set_string(struct json_object *object, const char *key, const char *value);

/* { key: value }, the caller's. */
struct json_object *mem_json_pair(const char *key, const char *value);

/* Adds value to the array, which then owns it. */
void mem_json_add(struct json_object *array, struct json_object *value);

/* The length of an array; 0 for anything else, and for NULL. */
size_t mem_json_length(struct json_object *array);

/* The number at a path of member names, "/qemu/major"; 0: there is none. */
int mem_json_int(struct json_object *object, const char *path);

/* The JSON text, by JSON_C_TO_STRING_* flags; object owns it. */
const char *mem_json_text(struct json_object *object, int flags);
