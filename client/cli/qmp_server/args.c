/* SPDX-License-Identifier: MIT */
/* Arguments, judged one by one.  The descriptions are what QEMU says, letter for letter. */
#include "client/cli/qmp_server/args.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/util/mem.h"

__attribute__((format(printf, 3, 0))) static bool error_set(struct qmp_error *e, const char *class,
							    const char *format, va_list args)
{
	char *desc;
	int n = vasprintf(&desc, format, args);

	e->desc = mem_must(n < 0 ? NULL : desc);
	e->class = class;
	return false;
}

bool qmp_error_generic(struct qmp_error *e, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error_set(e, "GenericError", format, args);
	va_end(args);
	return false;
}

bool qmp_error_not_found(struct qmp_error *e, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error_set(e, "CommandNotFound", format, args);
	va_end(args);
	return false;
}

bool qmp_args_only(struct json_object *args, const char *known, struct qmp_error *e)
{
	if (!args)
		return true;
	json_object_object_foreach(args, name, value)
	{
		(void)value;
		if (!known || strcmp(name, known) != 0)
			return qmp_error_generic(e, "Parameter '%s' is unexpected", name);
	}
	return true;
}

bool qmp_args_string(struct json_object *args, const char *name, const char **ret,
		     struct qmp_error *e)
{
	struct json_object *value;

	if (!json_object_object_get_ex(args, name, &value))
		return qmp_error_generic(e, "Parameter '%s' is missing", name);
	if (!json_object_is_type(value, json_type_string))
		return qmp_error_generic(e, "Invalid parameter type for '%s', expected: string",
					 name);
	*ret = json_object_get_string(value);
	return true;
}

bool qmp_args_strings(struct json_object *args, const char *name, struct json_object **ret,
		      struct qmp_error *e)
{
	struct json_object *list = NULL;

	if (json_object_object_get_ex(args, name, &list) &&
	    !json_object_is_type(list, json_type_array))
		return qmp_error_generic(e, "Invalid parameter type for '%s', expected: array",
					 name);
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		if (!json_object_is_type(json_object_array_get_idx(list, i), json_type_string))
			return qmp_error_generic(
				e, "Invalid parameter type for '%s[%zu]', expected: string", name,
				i);
	*ret = list;
	return true;
}
