/* SPDX-License-Identifier: MIT */
/* Ready sets.  Must never hand out a set twice, nor one that was filled before. */
#include "broker/front/pool.h"

#include <errno.h>

#include "broker/common/clock.h"

#define ASKED_MAX 4 /* in the loader's queue: it need not wait for us, nor others for it */
#define RESERVE	  2 /* of a shelf's sets, for those who had few lately: at most a quarter */

void pool_init(struct pool *ret, const struct loader_link *loader, const struct objects *objects,
	       unsigned target)
{
	ret->loader = loader;
	ret->objects = objects;
	ret->n_asked = 0;
	for (size_t i = 0; i < objects->n; i++) {
		ret->shelves[i].target = i == 0 ? target : 1;
		ret->shelves[i].n_ready = ret->shelves[i].n_asked = ret->shelves[i].wanted = 0;
		ret->shelves[i].weight = 0;
	}
}

bool pool_has(const struct pool *p, unsigned object, bool had_many)
{
	const struct shelf *shelf = &p->shelves[object];

	unsigned reserve = shelf->target / 4 < RESERVE ? shelf->target / 4 : RESERVE;

	return shelf->n_ready > (had_many ? reserve : 0);
}

int pool_take(struct pool *p, unsigned object, bool had_many, struct set *ret)
{
	struct shelf *shelf = &p->shelves[object];

	if (!pool_has(p, object, had_many))
		return -EAGAIN;
	*ret = shelf->ready[--shelf->n_ready];
	return 0;
}

/*
 * Whether the loader may be asked for one more.  Of all but the first object one
 * at a time: they may be slow, and what stands behind them waits.
 */
static bool shelf_lacks(const struct pool *p, size_t object)
{
	const struct shelf *shelf = &p->shelves[object];

	return shelf->n_ready + shelf->n_asked < shelf->wanted && (object == 0 || !shelf->n_asked);
}

/* The shelf for which the loader has worked least; NULL: none lacks anything. */
static struct shelf *pool_next(struct pool *p)
{
	struct shelf *next = NULL;

	for (size_t i = 0; i < p->objects->n; i++) {
		if (shelf_lacks(p, i) && (!next || p->shelves[i].spent_ns < next->spent_ns))
			next = &p->shelves[i];
	}
	return next;
}

static int pool_ask(struct pool *p, struct shelf *shelf)
{
	size_t object = (size_t)(shelf - p->shelves);
	int err = loader_link_ask(p->loader, p->objects->list[object].number);

	if (err)
		return err;
	if (!p->n_asked++)
		p->busy_since_ns = clock_ns();
	shelf->n_asked++;
	/* Nobody saves up time by lacking nothing. */
	if (shelf->spent_ns < p->spent_ns)
		shelf->spent_ns = p->spent_ns;
	p->spent_ns = shelf->spent_ns;
	return 0;
}

int pool_restock(struct pool *p, unsigned object, unsigned n_waiting)
{
	struct shelf *shelf = &p->shelves[object], *next;
	unsigned want = shelf->target + n_waiting;
	int err = 0;

	shelf->wanted = want > POOL_MAX ? POOL_MAX : want;
	while (!err && p->n_asked < ASKED_MAX && (next = pool_next(p)))
		err = pool_ask(p, next);
	/* Clients that waited may have gone, and what was made for them is too much. */
	while (shelf->n_ready > shelf->wanted)
		set_done(&shelf->ready[--shelf->n_ready]);
	return err;
}

/* Charges a shelf for the time of its answer. */
static void pool_charge(struct pool *p, struct shelf *shelf)
{
	uint64_t now_ns = clock_ns();

	shelf->spent_ns += now_ns - p->busy_since_ns;
	p->busy_since_ns = now_ns;
	shelf->n_asked--;
	p->n_asked--;
}

/* The index of the object of that number; n if there is none. */
static size_t object_of_number(const struct objects *o, unsigned number)
{
	size_t i = 0;

	while (i < o->n && o->list[i].number != number)
		i++;
	return i;
}

/* Whether an answer is one that the loader owes, with the fds that it must have. */
static bool answer_is_sane(const struct pool *p, const struct loader_answer *a, size_t object)
{
	size_t want;

	if (object == p->objects->n || !p->shelves[object].n_asked)
		return false;
	want = a->err ? 0 : p->objects->list[object].counts ? 5 : 4;
	return a->n_fds == want;
}

int pool_receive(struct pool *p, unsigned *ret_object, int *ret_err)
{
	struct loader_answer answer;
	struct shelf *shelf;
	size_t object;
	int err = loader_link_receive(p->loader, &answer);

	if (err)
		return err;
	object = object_of_number(p->objects, answer.number);
	if (!answer_is_sane(p, &answer, object)) {
		set_fds_done(&answer.fds);
		return -EBADMSG;
	}
	shelf = &p->shelves[object];
	pool_charge(p, shelf);
	/* The first comes before anybody is served: from then on no file can be opened. */
	if (!answer.err && !shelf->weight)
		shelf->weight = set_weigh(&answer.fds, &p->objects->list[object], p->objects);
	if (!answer.err)
		answer.err =
			set_init(&shelf->ready[shelf->n_ready], &answer.fds, p->objects->n_blocks);
	if (!answer.err)
		shelf->n_ready++;
	set_fds_done(&answer.fds);
	*ret_object = (unsigned)object;
	*ret_err = answer.err;
	return 0;
}

unsigned pool_ready(const struct pool *p)
{
	unsigned n = 0;

	for (size_t i = 0; i < p->objects->n; i++)
		n += p->shelves[i].n_ready;
	return n;
}

bool pool_is_low(const struct pool *p, unsigned object)
{
	return p->shelves[object].n_ready < (p->shelves[object].target + 1) / 2;
}

bool pool_is_full(const struct pool *p)
{
	for (size_t i = 0; i < p->objects->n; i++) {
		if (p->shelves[i].n_ready < p->shelves[i].target)
			return false;
	}
	return true;
}
