/* SPDX-License-Identifier: MIT */
/* The arguments of a QMP command, judged in QEMU's words. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>

/* Why a command fails: QMP's class and description.  desc: to be freed. */
struct qmp_error {
	const char *class;
	char *desc;
};

/* Both return false. */
bool qmp_error_generic(struct qmp_error *e, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
bool qmp_error_not_found(struct qmp_error *e, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* That there is no argument but `known` (NULL: none at all).  args may be NULL. */
bool qmp_args_only(struct json_object *args, const char *known, struct qmp_error *e);

/* A string that must be there; borrowed from args. */
bool qmp_args_string(struct json_object *args, const char *name, const char **ret,
		     struct qmp_error *e);

/* A list of strings that need not be there: then *ret is NULL.  Borrowed from args. */
bool qmp_args_strings(struct json_object *args, const char *name, struct json_object **ret,
		      struct qmp_error *e);
