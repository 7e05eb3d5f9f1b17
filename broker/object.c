/* SPDX-License-Identifier: MIT */
/* The objects that the broker can load.  Must never read a byte that a client chose. */
#include "object.h"

#include <errno.h>
#include <sha2.h>
#include <string.h>

/* In builtin.S: the bytes of build/bpf/. */
extern const unsigned char builtin_rss[], builtin_rss_end[];

static void objects_add(struct objects *o, const char *name, const unsigned char *begin,
			const unsigned char *end)
{
	struct object *new = &o->list[o->n++];
	SHA2_CTX sha;

	*new = (struct object){
		.name = name,
		.elf = begin,
		.size = end - begin,
		.abi = RSSB_ABI_QEMU_RSS_1,
		.license = "Dual MIT/GPL",
	};
	SHA256Init(&sha);
	SHA256Update(&sha, begin, new->size);
	SHA256Final(new->id, &sha);
}

void objects_init(struct objects *ret)
{
	*ret = (struct objects){ 0 };
	objects_add(ret, "rss", builtin_rss, builtin_rss_end);
}

int objects_find(const struct objects *o, const struct rssb_object_ref *ref)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct object *it = &o->list[i];

		if (ref->by == RSSB_BY_ABI ? it->abi == ref->abi
					   : !memcmp(it->id, ref->id, sizeof(it->id)))
			return (int)i;
	}
	return -ENOENT;
}
