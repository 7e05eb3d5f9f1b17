/* SPDX-License-Identifier: MIT */
/* Finds objects.  Must never change one. */
#include "broker/common/object_list.h"

#include <errno.h>
#include <string.h>

static bool object_is(const struct object *object, const struct rssb_object_ref *ref,
		      struct object_wish wish)
{
	if (ref->by == RSSB_BY_ID)
		return !memcmp(object->id, ref->id, sizeof(object->id));
	return object->abi == ref->abi && object->counts == wish.counts &&
	       object->tunnels == wish.tunnels;
}

int objects_find(const struct objects *o, const struct rssb_object_ref *ref,
		 struct object_wish wish)
{
	for (size_t i = 0; i < o->n; i++) {
		if (object_is(&o->list[i], ref, wish))
			return (int)i;
	}
	return -ENOENT;
}
