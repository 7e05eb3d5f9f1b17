/* SPDX-License-Identifier: MIT */
/* One file of the cache for each binary; what it holds is checked like an answer of QEMU's. */
#include "client/cli/qemu/probe_cache.h"

#include <json-c/json.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/qemu/mapped_files.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/util/base64.h"
#include "client/cli/util/cache.h"
#include "client/cli/util/file.h"
#include "client/cli/util/mem.h"

/* The name of the binary's file in the cache: by its path, and by what else decides what it loads.
 */
static char *file_name(const char *path)
{
	static const char *const variables[] = { "LD_LIBRARY_PATH", "LD_PRELOAD",
						 "QEMU_MODULE_DIR" };
	char digest[SHA256_DIGEST_STRING_LENGTH];
	SHA2_CTX sha;

	SHA256Init(&sha);
	SHA256Update(&sha, (const uint8_t *)path, strlen(path) + 1);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *value = getenv(variables[i]);

		SHA256Update(&sha, (const uint8_t *)(value ? value : ""),
			     value ? strlen(value) + 1 : 1);
	}
	SHA256End(&sha, digest);
	return mem_format("qemu-%.32s", digest);
}

static struct json_object *object_of(struct json_object *in, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(in, key, &value) ||
	    !json_object_is_type(value, json_type_object))
		return NULL;
	return value;
}

/* False: nothing that still holds. */
static bool known_read(struct qemu_probe *ret, const char *path, const char *file)
{
	_cleanup_free_ char *text = cache_read(file);
	_cleanup_json_ struct json_object *known = text ? json_tokener_parse(text) : NULL;
	struct json_object *files = object_of(known, "files"), *types = object_of(known, "types");
	const char *target = qemu_opts_get(known, "target");

	if (!files || !types || !target || !qemu_opts_get(files, path) || !mapped_files_same(files))
		return false;
	qemu_object_decode(&ret->object, qemu_opts_get(known, "object"));
	ret->major = mem_json_int(known, "/major");
	ret->minor = mem_json_int(known, "/minor");
	ret->target = mem_must(strdup(target));
	ret->types = json_object_get(types);
	ret->cached = true;
	return ret->object.elf;
}

static void known_write(const struct qemu_probe *p, const char *file)
{
	_cleanup_json_ struct json_object *known = mem_must(json_object_new_object());
	_cleanup_free_ char *object = base64_text(p->object.elf, p->object.size);

	mem_json_set(known, "files", json_object_get(p->files));
	mem_json_set(known, "major", mem_must(json_object_new_int(p->major)));
	mem_json_set(known, "minor", mem_must(json_object_new_int(p->minor)));
	mem_json_set_string(known, "target", p->target);
	mem_json_set(known, "types", json_object_get(p->types));
	mem_json_set_string(known, "object", object);
	cache_write(file, mem_json_text(known, JSON_C_TO_STRING_PLAIN));
}

static bool knows_all(const struct qemu_probe *p, struct json_object *drivers)
{
	for (size_t i = 0; i < json_object_array_length(drivers); i++)
		if (!object_of(p->types,
			       json_object_get_string(json_object_array_get_idx(drivers, i))))
			return false;
	return true;
}

/* What was known is asked for again, so that VMs with other devices do not undo each other's. */
static void drivers_add(struct json_object *drivers, const struct qemu_probe *known)
{
	json_object_object_foreach(known->types, driver, types)
	{
		(void)types;
		json_object_array_add(drivers, mem_must(json_object_new_string(driver)));
	}
}

int qemu_probe_cached(struct qemu_probe *ret, const char *binary, struct json_object *drivers,
		      char **ret_why)
{
	struct qemu_probe known = { 0 };
	_cleanup_free_ char *path = program_find(binary);
	_cleanup_free_ char *file = path ? file_name(path) : NULL;
	int r;

	if (file && known_read(&known, path, file)) {
		if (knows_all(&known, drivers)) {
			*ret = known;
			return 0;
		}
		drivers_add(drivers, &known);
	}
	qemu_probe_done(&known);
	r = qemu_probe(ret, binary, drivers, ret_why);
	/* A script is none of the files that its QEMU has mapped. */
	if (r == 0 && file && ret->object.elf && ret->files && qemu_opts_get(ret->files, path))
		known_write(ret, file);
	return r;
}
