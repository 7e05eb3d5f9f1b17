/* SPDX-License-Identifier: MIT */
/*
 * Ready sets, so that a request waits for no verifier: a stock of each object, which the loader
 * refills. An account that took many lately leaves the last few of a stock to the others, and the
 * loader's time is divided between the stocks that lack sets: neither one client nor one slow
 * object keeps it from the rest.
 */
#pragma once

#include <stdbool.h>

#include "broker/common/object_list.h"
#include "broker/front/loader_link.h"
#include "broker/front/set.h"

#define POOL_MAX 64 /* sets of one object */

struct stock {
	unsigned target; /* how many should be ready */
	unsigned n_ready;
	unsigned n_asked;  /* answers that the loader still owes */
	unsigned wanted;   /* how many should be ready or on their way */
	uint64_t spent_ns; /* the loader's time that this stock has used */
	uint64_t weight;   /* bytes of kernel memory that a set of it takes, on this host */
	struct set ready[POOL_MAX];
};

/* Borrows the loader and the objects; owns the sets. */
struct pool {
	const struct loader_link *loader;
	const struct objects *objects;
	unsigned n_asked;	/* of all stocks */
	uint64_t spent_ns;	/* of the stock that was served last, when it was */
	uint64_t busy_since_ns; /* when the loader began what it does now */
	struct stock stocks[OBJECTS_MAX];
};

/* target: sets kept ready of the first object; of the others it is one. */
void pool_init(struct pool *ret, const struct loader_link *loader, const struct objects *objects,
	       unsigned target);

/*
 * Whether there is a ready set of an object, and more than the last few for a
 * taker that has had many lately.
 */
bool pool_has(const struct pool *p, unsigned object, bool had_many);

/* Moves a ready set of an object out.  -EAGAIN: pool_has() none. */
int pool_take(struct pool *p, unsigned object, bool had_many, struct set *ret);

/*
 * Asks the loader for what a stock lacks, n_waiting clients included, once it is that stock's turn;
 * drops what the stock has too much. 0, or -errno: the loader could not be asked.
 */
int pool_restock(struct pool *p, unsigned object, unsigned n_waiting);

/*
 * Takes one answer of the loader. 0: *ret_object has one more set, or *ret_err says why not;
 * -EAGAIN: no answer yet; else: the loader is of no use. After an answer the loader can take
 * another request: pool_restock().
 */
int pool_receive(struct pool *p, unsigned *ret_object, int *ret_err);

/* How many sets are ready, of all objects. */
unsigned pool_ready(const struct pool *p);

/* Whether less than half of what should be ready is. */
bool pool_is_low(const struct pool *p, unsigned object);

/* Whether every stock is as full as it should be. */
bool pool_is_full(const struct pool *p);
