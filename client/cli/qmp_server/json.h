/* SPDX-License-Identifier: MIT */
/*
 * QMP's JSON: what QEMU takes for JSON on its way in, and ASCII on its way out.
 * Inside, U+0000 in a string is a noncharacter, so that a string never ends early.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

#define QMP_DEPTH_MAX 4 /* objects and arrays within one another */

/*
 * The value that a framed message (frame.h) is; NULL stands for JSON's null too.
 * ret_why is NULL, or what is wrong with it.
 */
struct json_object *qmp_json_parse(const char *text, const char **ret_why);

/* One line, ended CRLF, to be freed. */
char *qmp_json_line(struct json_object *value);

/* UTF-8 with one exception: U+0000 is C0 80, as QEMU has it. */

/* Whether a string may hold the character: it is no surrogate and no noncharacter. */
bool qmp_utf8_valid(uint32_t code);

/* The character at text, which NUL ends; returns its length, 0: not valid. */
size_t qmp_utf8_decode(const char *text, uint32_t *ret);
