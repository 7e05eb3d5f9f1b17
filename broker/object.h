/* SPDX-License-Identifier: MIT */
/*
 * The objects that the broker can load: ELF bytes and what is known of them.
 * They come from this very binary; none ever comes from a client.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "rssb_proto.h"

#define OBJECTS_MAX 16

struct object {
	const char *name;
	const void *elf;
	uint32_t size;	     /* bytes */
	uint16_t abi;	     /* enum rssb_abi */
	const char *license; /* as its license section says */
	uint8_t id[RSSB_OBJECT_ID_LEN];
};

/* Filled once at start; read-only from then on, in both processes. */
struct objects {
	size_t n;
	struct object list[OBJECTS_MAX];
};

/* Takes the built-in objects and computes their ids. */
void objects_init(struct objects *ret);

/* The index of the object that ref names, or -ENOENT. */
int objects_find(const struct objects *o, const struct rssb_object_ref *ref);
