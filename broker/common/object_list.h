/* SPDX-License-Identifier: MIT */
/*
 * The list of steering objects: BPF ELF files that the broker can load, their bytes
 * and what is known of them.  They come from this very binary and from the
 * administrator's directory; none ever comes from a client.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/rssb_proto.h"

#define OBJECTS_MAX 16

struct object {
	char name[RSSB_NAME_MAX];
	const void *elf;
	uint32_t size; /* bytes */
	uint16_t abi;  /* enum rssb_abi */
	bool counts;   /* has the counters of rss-stats as its fourth map */
	bool tunnels;  /* knows the tunnels of hash_types: built in, for no file says so */
	uint8_t id[RSSB_OBJECT_ID_LEN];
};

/* Filled once at start; read-only from then on.  An object's index is what the loader calls it. */
struct objects {
	unsigned n_cpus;   /* the end of their numbers */
	unsigned n_blocks; /* of counters in a stats map: RSS_STATS_BLOCKS at most */
	size_t n;
	struct object list[OBJECTS_MAX];
};

/* Which of the broker's own objects of an ABI. */
struct object_wish {
	bool counts;  /* the one that counts packets */
	bool tunnels; /* the one that sees into tunnels */
};

/* The index of the object that ref names, by an ABI the one that is wished for; or -ENOENT. */
int objects_find(const struct objects *o, const struct rssb_object_ref *ref,
		 struct object_wish wish);
