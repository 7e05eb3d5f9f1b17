/* SPDX-License-Identifier: MIT */
/*
 * Ready sets, so that a request waits for no verifier: one shelf an object,
 * restocked by the loader as sets go.
 */
#pragma once

#include <stdbool.h>

#include "loader.h"
#include "set.h"

#define POOL_MAX 64 /* sets of one object */

struct shelf {
	unsigned target; /* how many should be ready */
	unsigned n_ready;
	unsigned n_asked; /* answers that the loader still owes */
	struct set ready[POOL_MAX];
};

/* Borrows the loader and the objects; owns the sets. */
struct pool {
	const struct loader *loader;
	const struct objects *objects;
	struct shelf shelves[OBJECTS_MAX];
};

/* target: sets kept ready of the first object; of the others it is one. */
void pool_init(struct pool *ret, const struct loader *loader, const struct objects *objects,
	       unsigned target);

/* Moves a ready set of an object out.  -EAGAIN: none is ready. */
int pool_take(struct pool *p, unsigned object, struct set *ret);

/*
 * Asks the loader for what a shelf lacks, n_waiting clients included; drops what it has too much.
 * 0, or -errno: it could not be asked for all of it.
 */
int pool_restock(struct pool *p, unsigned object, unsigned n_waiting);

/*
 * Takes one answer of the loader.  0: *ret_object has a set more, or *ret_err
 * says why it has not; -EAGAIN: no answer yet; else: the loader is of no use.
 */
int pool_receive(struct pool *p, unsigned *ret_object, int *ret_err);

/* How many sets are ready, of all objects. */
unsigned pool_ready(const struct pool *p);

/* Whether less than half of what should be ready is. */
bool pool_is_low(const struct pool *p, unsigned object);

/* Whether every shelf is as full as it should be. */
bool pool_is_full(const struct pool *p);
