/* SPDX-License-Identifier: MIT */
/* Which object a QEMU is given, and the messages about it. */
#include "client/cli/qemu/object_choice.h"

#include <errno.h>
#include <string.h>

#include "bpf/object_check.h"
#include "client/cli/qemu/exported_object.h"
#include "client/cli/util/mem.h"
#include "proto/codec.h"

int object_choose(const struct qemu_object *o, bool exact, const uint8_t **ret_id, char **ret_why)
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

char *object_choice_describe(const struct qemu_object *o, const uint8_t *id)
{
	char own[2 * RSSB_OBJECT_ID_LEN + 1];

	rssb_object_id_format(own, o->id);
	if (id)
		return mem_format("QEMU's own object, %.12s", own);
	return mem_format("the broker's own object, of the same ABI as QEMU's %.12s", own);
}

char *object_choice_missing(const uint8_t *id)
{
	char text[2 * RSSB_OBJECT_ID_LEN + 1];

	rssb_object_id_format(text, id);
	return mem_format("the broker does not have QEMU's own object, %.12s: import it (rssb "
			  "extract QEMU -o FILE says how), or leave out --exact",
			  text);
}
