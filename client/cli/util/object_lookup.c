/* SPDX-License-Identifier: MIT */
/* Finds an object by asking the broker for one after the other; it changes nothing. */
#include "client/cli/util/object_lookup.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "proto/codec.h"

static bool object_is(const struct rssb_object *object, const char *text)
{
	char id[2 * RSSB_OBJECT_ID_LEN + 1];

	rssb_object_id_format(id, object->id);
	return strcmp(object->name, text) == 0 || strcasecmp(id, text) == 0;
}

int object_lookup(struct rssb *c, const char *text, struct rssb_object *ret)
{
	struct rssb_info info;
	int r = rssb_info(c, &info);

	for (uint32_t i = 0; !r && i < info.n_objects; i++) {
		struct rssb_object object;

		r = rssb_object(c, i, &object);
		if (r || !object_is(&object, text))
			continue;
		*ret = object;
		return 0;
	}
	return r ? r : -ENOENT;
}
