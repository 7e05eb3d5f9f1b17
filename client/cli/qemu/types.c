/* SPDX-License-Identifier: MIT */
/* From k=v text to JSON values, by the types that QEMU reports. */
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/qemu/opts.h"
#include "client/cli/qemu/types.h"
#include "client/cli/util/mem.h"

static struct json_object *bool_value(const char *text)
{
	bool truth;

	return qemu_opts_bool(text, &truth) ? mem_must(json_object_new_boolean(truth)) : NULL;
}

/* Of any width: QEMU checks the range.  "0x10" is 16 and "010" is 8. */
static struct json_object *signed_value(const char *text)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 0);
	return errno || end == text || *end ? NULL : mem_must(json_object_new_int64(n));
}

static struct json_object *unsigned_value(const char *text)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 0);
	return errno || end == text || *end ? NULL : mem_must(json_object_new_uint64(n));
}

/* The factor that a size's suffix stands for; 0: not a suffix. */
static uint64_t suffix_factor(const char *suffix)
{
	static const char letters[] = "BKMGTPE";
	const char *found;

	if (!*suffix)
		return 1;
	found = strchr(letters, toupper((unsigned char)*suffix));
	return found && !suffix[1] ? 1ULL << 10 * (found - letters) : 0;
}

/* "512", "0x1000", "4k", "1.5G".  A double is exact enough for the fraction alone. */
static struct json_object *size_value(const char *text)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	uint64_t whole, factor, size;
	double fraction = 0;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return NULL;
	errno = 0;
	whole = strtoull(text, &end, hex ? 16 : 10);
	if (*end == '.' && !hex) {
		size_t digits = strspn(end + 1, "0123456789");
		_cleanup_free_ char *decimals = mem_must(strndup(end, digits + 1));

		fraction = digits ? strtod(decimals, NULL) : 0;
		end += digits + 1;
	}
	factor = suffix_factor(end);
	if (errno || !factor || (factor == 1 && fraction > 0) ||
	    __builtin_mul_overflow(whole, factor, &size) ||
	    __builtin_add_overflow(size, (uint64_t)(fraction * (double)factor + 0.5), &size))
		return NULL;
	return mem_must(json_object_new_uint64(size));
}

/* Written anew: "+.5" and "0x1p3" are no JSON. */
static struct json_object *number_value(const char *text)
{
	char *end;
	double n = strtod(text, &end);

	return end == text || *end || !isfinite(n) ? NULL : mem_must(json_object_new_double(n));
}

static struct json_object *value_of_type(const char *type, const char *text)
{
	if (strcmp(type, "bool") == 0)
		return bool_value(text);
	if (strncmp(type, "uint", 4) == 0)
		return unsigned_value(text);
	if (strncmp(type, "int", 3) == 0)
		return signed_value(text);
	if (strcmp(type, "size") == 0)
		return size_value(text);
	if (strcmp(type, "number") == 0)
		return number_value(text);
	return NULL; /* str, enumerations, links, addresses, ...: JSON strings all */
}

struct json_object *qemu_typed_value(const char *name, const char *type, const char *text)
{
	struct json_object *value = NULL;

	/* A PCI address, "3" or "3.1", which QEMU before 10.0 calls an int32: as a
	 * JSON number it would be device and function in one. */
	bool pci_address = strcmp(name, "addr") == 0 && type && strcmp(type, "int32") == 0;

	if (type && !pci_address)
		value = value_of_type(type, text);
	return value ? value : mem_must(json_object_new_string(text));
}

struct json_object *qemu_types_of_list(struct json_object *list)
{
	struct json_object *types = mem_must(json_object_new_object());
	const size_t n = mem_json_length(list);

	for (size_t i = 0; i < n; i++) {
		struct json_object *property = json_object_array_get_idx(list, i);
		const char *name = qemu_opts_get(property, "name");
		const char *type = qemu_opts_get(property, "type");

		if (name && type)
			mem_json_set_string(types, name, type);
	}
	return types;
}
