/* SPDX-License-Identifier: MIT */
/* Asking for an object.  What comes is bytes, and judged by others
 * (bpf/object_check.h). */
#include "client/cli/qemu/exported_object.h"

#include <errno.h>
#include <json-c/json.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/qemu/opts.h"
#include "client/cli/qemu/qmp_client.h"
#include "client/cli/util/base64.h"
#include "client/cli/util/mem.h"

#define OBJECT_MAX (1u << 20) /* bytes; the broker takes no larger one */

/* Why it refused, with what to make of it. */
static char *refusal(const struct qmp_client *qmp)
{
	const char *desc = qmp_client_error(qmp);
	int major, minor;

	qmp_client_version(qmp, &major, &minor);
	if (!strstr(desc, "has not been found"))
		return mem_format("request-ebpf: %s", desc);
	if (major < 9)
		return mem_format("QEMU %d.%d has no request-ebpf: 9.0 is the first that has",
				  major, minor);
	return mem_format("QEMU %d.%d has no request-ebpf: it was built without eBPF", major,
			  minor);
}

void qemu_object_decode(struct qemu_object *ret, const char *text)
{
	const size_t len = text ? strlen(text) : 0;
	ssize_t size = -EINVAL;
	SHA2_CTX sha;

	*ret = (struct qemu_object)QEMU_OBJECT_INIT;
	if (len && len <= BASE64_LEN(OBJECT_MAX)) {
		ret->elf = mem_new(len / 4 + 1, 3);
		size = base64_decode(ret->elf, text, len);
	}
	if (size <= 0) {
		qemu_object_done(ret);
		ret->why = mem_must(
			strdup("request-ebpf returned something else than an object in base64"));
		return;
	}
	ret->size = (size_t)size;
	SHA256Init(&sha);
	SHA256Update(&sha, ret->elf, ret->size);
	SHA256Final(ret->id, &sha);
}

int qemu_object_ask(struct qemu_object *ret, struct qmp_client *qmp)
{
	struct json_object *arguments = mem_must(json_object_new_object());
	_cleanup_json_ struct json_object *value = NULL;
	int r;

	*ret = (struct qemu_object)QEMU_OBJECT_INIT;
	mem_json_set_string(arguments, "id", "rss");
	r = qmp_client_execute(qmp, "request-ebpf", arguments, &value);
	if (r == -EREMOTEIO)
		ret->why = refusal(qmp);
	else if (r == 0)
		qemu_object_decode(ret, qemu_opts_get(value, "object"));
	return r == -EREMOTEIO ? 0 : r;
}

void qemu_object_done(struct qemu_object *o)
{
	free(o->elf);
	free(o->why);
	*o = (struct qemu_object)QEMU_OBJECT_INIT;
}
