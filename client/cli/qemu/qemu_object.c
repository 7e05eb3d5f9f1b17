/* SPDX-License-Identifier: MIT */
/*
 * The object of a QEMU, and which of the broker's it is given.  The bytes come from that QEMU:
 * object_check() judges them (bpf/object_check.h), nothing else here reads them.
 */
#include "client/cli/qemu/qemu_object.h"

#include <errno.h>
#include <json-c/json.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/object_check.h"
#include "client/cli/qemu/monitor.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/util/base64.h"
#include "client/cli/util/mem.h"
#include "proto/codec.h"

#define OBJECT_MAX (1u << 20) /* bytes; the broker takes no larger one */

/* Why it refused, with what to make of it. */
static char *refusal(const struct monitor *monitor)
{
	const char *desc = monitor_why(monitor);
	int major, minor;

	monitor_version(monitor, &major, &minor);
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

	*ret = (struct qemu_object){ 0 };
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

int qemu_object_ask(struct qemu_object *ret, struct monitor *monitor)
{
	_cleanup_json_ struct json_object *value = NULL;
	int r;

	*ret = (struct qemu_object){ 0 };
	r = monitor_execute(monitor, "request-ebpf", mem_json_pair("id", "rss"), -1, &value);
	if (r == -EREMOTEIO)
		ret->why = refusal(monitor);
	else if (r == 0)
		qemu_object_decode(ret, qemu_opts_get(value, "object"));
	return r == -EREMOTEIO ? 0 : r;
}

void qemu_object_done(struct qemu_object *o)
{
	free(o->elf);
	free(o->why);
	*o = (struct qemu_object){ 0 };
}

int qemu_object_choose(const struct qemu_object *o, bool exact, const uint8_t **ret_id,
		       char **ret_why)
{
	char why[OBJECT_CHECK_WHY_MAX] = "";
	struct object_check shape = { 0 };
	int r;

	if (!o->elf) {
		*ret_why = mem_format("%s", o->why);
		return -ENOENT;
	}
	r = object_check(&shape, o->elf, o->size, why);
	if (r || shape.counts) {
		*ret_why = mem_format("this QEMU's object is not of the ABI qemu-rss-1, the only "
				      "one that this rss-broker knows: %s",
				      shape.counts ? "it has a fourth map"
				      : why[0]	   ? why
						   : strerror(-r));
		return -EINVAL;
	}
	*ret_id = exact ? o->id : NULL;
	return 0;
}

char *qemu_object_describe(const struct qemu_object *o, const uint8_t *id)
{
	char own[2 * RSSB_OBJECT_ID_LEN + 1];

	rssb_object_id_format(own, o->id);
	if (id)
		return mem_format("QEMU's own object, %.12s", own);
	return mem_format("the broker's own object, of the same ABI as QEMU's %.12s", own);
}

char *qemu_object_missing(const uint8_t *id)
{
	char text[2 * RSSB_OBJECT_ID_LEN + 1];

	rssb_object_id_format(text, id);
	return mem_format("the broker does not have QEMU's own object, %.12s: import it (rssb "
			  "extract QEMU -o FILE says how), or leave out --exact",
			  text);
}
