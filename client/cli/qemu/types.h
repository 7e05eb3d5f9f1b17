/* SPDX-License-Identifier: MIT */
/*
 * A k=v value as the JSON value that means the same to QEMU.  In k=v a number
 * may be hexadecimal and a size may say "1M"; in JSON each has its own type.
 */
#pragma once

struct json_object;

/*
 * type is what device-list-properties says of the property, NULL if it is not
 * listed there.  What does not read as that type stays a string: then QEMU
 * itself says what is wrong with it.  The caller's reference.
 */
struct json_object *qemu_typed_value(const char *name, const char *type, const char *text);

/*
 * What device-list-properties returns, [{name, type, ...}, ...], as
 * { name: type, ... }.  The caller's reference.
 */
struct json_object *qemu_types_of_list(struct json_object *list);
