/* SPDX-License-Identifier: MIT */
/*
 * The objects that the broker can load: ELF bytes and what is known of them.
 * They come from this very binary; none ever comes from a client.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rssb_proto.h"

#define OBJECTS_MAX 16

struct object {
	const char *name;
	const void *elf;
	uint32_t size;	     /* bytes */
	uint16_t abi;	     /* enum rssb_abi */
	bool counts;	     /* has the counters of rss-stats as its fourth map */
	const char *license; /* as its license section says */
	uint8_t id[RSSB_OBJECT_ID_LEN];
};

/* Filled once at start; read-only from then on, in both processes. */
struct objects {
	unsigned n_cpus; /* possible CPUs: blocks of counters in a stats map */
	size_t n;
	struct object list[OBJECTS_MAX];
};

/* Takes the built-in objects and computes their ids.  -errno: the CPUs cannot be counted. */
int objects_init(struct objects *ret);

/*
 * The index of the object that ref names, or -ENOENT.  counts: by ABI, the one
 * that counts packets.
 */
int objects_find(const struct objects *o, const struct rssb_object_ref *ref, bool counts);
