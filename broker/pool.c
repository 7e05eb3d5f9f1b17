/* SPDX-License-Identifier: MIT */
/* Ready sets.  Must never hand out a set twice, nor one that was filled before. */
#include "pool.h"

#include <errno.h>

void pool_init(struct pool *ret, const struct loader *loader, const struct objects *objects,
	       unsigned target)
{
	ret->loader = loader;
	ret->objects = objects;
	for (size_t i = 0; i < objects->n; i++) {
		ret->shelves[i].target = i == 0 ? target : 1;
		ret->shelves[i].n_ready = ret->shelves[i].n_asked = 0;
	}
}

int pool_take(struct pool *p, unsigned object, struct set *ret)
{
	struct shelf *shelf = &p->shelves[object];

	if (!shelf->n_ready)
		return -EAGAIN;
	*ret = shelf->ready[--shelf->n_ready];
	return 0;
}

int pool_restock(struct pool *p, unsigned object, unsigned n_waiting)
{
	struct shelf *shelf = &p->shelves[object];
	unsigned want = shelf->target + n_waiting;
	int err = 0;

	if (want > POOL_MAX)
		want = POOL_MAX;
	while (!err && shelf->n_ready + shelf->n_asked < want) {
		err = loader_ask(p->loader, p->objects->list[object].number);
		shelf->n_asked += !err;
	}
	/* Clients that waited may have gone, and what was made for them is too much. */
	while (shelf->n_ready > want)
		set_done(&shelf->ready[--shelf->n_ready]);
	return err;
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
	int err = loader_receive(p->loader, &answer);

	if (err)
		return err;
	object = object_of_number(p->objects, answer.number);
	if (!answer_is_sane(p, &answer, object)) {
		set_fds_done(&answer.fds);
		return -EBADMSG;
	}
	shelf = &p->shelves[object];
	shelf->n_asked--;
	if (!answer.err)
		answer.err =
			set_init(&shelf->ready[shelf->n_ready], &answer.fds, p->objects->n_cpus);
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
