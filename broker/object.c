/* SPDX-License-Identifier: MIT */
/* The objects that the broker can load.  Must never read a byte that a client chose. */
#include "object.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <sha2.h>
#include <string.h>

/* In builtin.S: the bytes of build/bpf/. */
extern const unsigned char builtin_rss[], builtin_rss_end[];
extern const unsigned char builtin_rss_stats[], builtin_rss_stats_end[];

static void objects_add(struct objects *o, const char *name, const unsigned char *begin,
			const unsigned char *end, bool counts)
{
	struct object *new = &o->list[o->n++];
	SHA2_CTX sha;

	*new = (struct object){
		.name = name,
		.elf = begin,
		.size = end - begin,
		.counts = counts,
		.abi = RSSB_ABI_QEMU_RSS_1,
		.license = "Dual MIT/GPL",
	};
	SHA256Init(&sha);
	SHA256Update(&sha, begin, new->size);
	SHA256Final(new->id, &sha);
}

int objects_init(struct objects *ret)
{
	int n_cpus = libbpf_num_possible_cpus();

	*ret = (struct objects){ 0 };
	if (n_cpus < 0)
		return n_cpus;
	ret->n_cpus = (unsigned)n_cpus;
	objects_add(ret, "rss", builtin_rss, builtin_rss_end, false);
	objects_add(ret, "rss-stats", builtin_rss_stats, builtin_rss_stats_end, true);
	return 0;
}

static bool object_is(const struct object *object, const struct rssb_object_ref *ref, bool counts)
{
	if (ref->by == RSSB_BY_ID)
		return !memcmp(object->id, ref->id, sizeof(object->id));
	return object->abi == ref->abi && object->counts == counts;
}

int objects_find(const struct objects *o, const struct rssb_object_ref *ref, bool counts)
{
	for (size_t i = 0; i < o->n; i++) {
		if (object_is(&o->list[i], ref, counts))
			return (int)i;
	}
	return -ENOENT;
}
