/* SPDX-License-Identifier: MIT */
/* Ready sets.  Must never hand out a set twice, nor one that was filled before. */
#include "broker/front/pool.h"

#include <errno.h>
#include <string.h>

#include "broker/common/clock.h"

#define ASKED_MAX 4 /* requests in the loader's queue: it need not wait, nor others for it */
#define RESERVE	  2 /* of a stock's sets, for accounts that took few lately: at most a quarter */

void pool_init(struct pool *ret, const struct loader_link *loader, const struct objects *objects,
	       unsigned target)
{
	memset(ret, 0, sizeof(*ret));
	ret->loader = loader;
	ret->objects = objects;
	for (size_t i = 0; i < objects->n; i++)
		ret->stocks[i].target = i == 0 ? target : 1;
}

bool pool_has(const struct pool *p, unsigned object, bool had_many)
{
	const struct stock *stock = &p->stocks[object];

	unsigned reserve = stock->target / 4 < RESERVE ? stock->target / 4 : RESERVE;

	return stock->n_ready > (had_many ? reserve : 0);
}

int pool_take(struct pool *p, unsigned object, bool had_many, struct set *ret)
{
	struct stock *stock = &p->stocks[object];

	if (!pool_has(p, object, had_many))
		return -EAGAIN;
	*ret = stock->ready[--stock->n_ready];
	return 0;
}

/*
 * Whether the loader may be asked for one more. Sets of any object but the first are asked for one
 * at a time: they may be slow, and what is queued behind them waits.
 */
static bool stock_lacks(const struct pool *p, size_t object)
{
	const struct stock *stock = &p->stocks[object];

	return stock->n_ready + stock->n_asked < stock->wanted && (object == 0 || !stock->n_asked);
}

/* The stock for which the loader has worked least; NULL: none lacks a set. */
static struct stock *pool_next(struct pool *p)
{
	struct stock *next = NULL;

	for (size_t i = 0; i < p->objects->n; i++) {
		if (stock_lacks(p, i) && (!next || p->stocks[i].spent_ns < next->spent_ns))
			next = &p->stocks[i];
	}
	return next;
}

static int pool_ask(struct pool *p, struct stock *stock)
{
	int err = loader_link_ask(p->loader, (unsigned)(stock - p->stocks));

	if (err)
		return err;
	if (!p->n_asked++)
		p->busy_since_ns = clock_ns();
	stock->n_asked++;
	/* A stock that lacked nothing earns no time for later. */
	if (stock->spent_ns < p->spent_ns)
		stock->spent_ns = p->spent_ns;
	p->spent_ns = stock->spent_ns;
	return 0;
}

int pool_restock(struct pool *p, unsigned object, unsigned n_waiting)
{
	struct stock *stock = &p->stocks[object], *next;
	unsigned want = stock->target + n_waiting;
	int err = 0;

	stock->wanted = want > POOL_MAX ? POOL_MAX : want;
	while (!err && p->n_asked < ASKED_MAX && (next = pool_next(p)))
		err = pool_ask(p, next);
	/* Clients that waited may have left, and their sets are too many. */
	while (stock->n_ready > stock->wanted)
		set_done(&stock->ready[--stock->n_ready]);
	return err;
}

/* Charges a stock for the time of its answer. */
static void pool_charge(struct pool *p, struct stock *stock)
{
	uint64_t now_ns = clock_ns();

	stock->spent_ns += now_ns - p->busy_since_ns;
	p->busy_since_ns = now_ns;
	stock->n_asked--;
	p->n_asked--;
}

/* Whether the loader owes this answer, and the answer has the fds that it must have. */
static bool answer_is_sane(const struct pool *p, const struct loader_answer *a)
{
	if (a->object >= p->objects->n || !p->stocks[a->object].n_asked)
		return false;
	return a->n_fds == (a->err ? 0 : p->objects->list[a->object].counts ? 5 : 4);
}

int pool_receive(struct pool *p, unsigned *ret_object, int *ret_err)
{
	struct loader_answer answer;
	struct stock *stock;
	int err = loader_link_receive(p->loader, &answer);

	if (err)
		return err;
	if (!answer_is_sane(p, &answer)) {
		set_fds_done(&answer.fds);
		return -EBADMSG;
	}
	stock = &p->stocks[answer.object];
	pool_charge(p, stock);
	/* The first call comes before any client is served; no file can be opened after that. */
	if (!answer.err && !stock->weight)
		stock->weight =
			set_weigh(&answer.fds, &p->objects->list[answer.object], p->objects);
	if (!answer.err)
		answer.err =
			set_init(&stock->ready[stock->n_ready], &answer.fds, p->objects->n_blocks);
	if (!answer.err)
		stock->n_ready++;
	set_fds_done(&answer.fds);
	*ret_object = answer.object;
	*ret_err = answer.err;
	return 0;
}

unsigned pool_ready(const struct pool *p)
{
	unsigned n = 0;

	for (size_t i = 0; i < p->objects->n; i++)
		n += p->stocks[i].n_ready;
	return n;
}

bool pool_is_low(const struct pool *p, unsigned object)
{
	return p->stocks[object].n_ready < (p->stocks[object].target + 1) / 2;
}

bool pool_is_full(const struct pool *p)
{
	for (size_t i = 0; i < p->objects->n; i++) {
		if (p->stocks[i].n_ready < p->stocks[i].target)
			return false;
	}
	return true;
}
