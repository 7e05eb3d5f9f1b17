/* SPDX-License-Identifier: MIT */
/*
 * One move after the other, each the one that evens the load most: the sum of the
 * queues' squared loads falls by 2 x (from - to - x) when an entry of load x moves
 * from one queue to another.  An entry that is heavier than a fair share stays, and
 * the others leave its queue.
 */
#include "client/cli/rss/even_out.h"

#include <stdbool.h>

#define NEAR	   0.03 /* of the fair share: the largest queue may be above it by so much */
#define GAIN_FIRST 0.02 /* of the fair share, squared: what a round's first move has to gain */
#define GAIN_LEAST 0.01 /* likewise: its other moves */
#define CHANCE	   4	/* standard deviations of the difference between two queues */

void even_out_load_between(struct even_out_load *ret, const struct rssb_table *table,
			   const struct rssb_stats *before, const struct rssb_stats *after)
{
	uint64_t steered[RSSB_QUEUES_MAX] = { 0 };

	*ret = (struct even_out_load){ 0 };
	for (size_t i = 0; i < table->len; i++) {
		ret->entry[i] = after->entry[i].packets - before->entry[i].packets;
		steered[table->queue[i]] += ret->entry[i];
	}
	for (size_t i = 0; i < table->queues; i++) {
		const uint64_t all = after->queue[i].packets - before->queue[i].packets;

		ret->other[i] = all > steered[i] ? all - steered[i] : 0;
	}
}

struct queues {
	double load[RSSB_QUEUES_MAX], fair;
	size_t n;
	uint16_t queue[RSSB_TABLE_ENTRIES_MAX]; /* of each entry */
	bool moved[RSSB_TABLE_ENTRIES_MAX];
};

static void queues_init(struct queues *ret, const struct rssb_table *table,
			const struct even_out_load *load)
{
	*ret = (struct queues){ .n = table->queues };
	for (size_t i = 0; i < ret->n; i++)
		ret->load[i] = (double)load->other[i];
	for (size_t i = 0; i < table->len; i++) {
		ret->queue[i] = table->queue[i];
		ret->load[table->queue[i]] += (double)load->entry[i];
	}
	for (size_t i = 0; i < ret->n; i++)
		ret->fair += ret->load[i] / (double)ret->n;
}

static size_t lightest(const struct queues *q)
{
	size_t found = 0;

	for (size_t i = 1; i < q->n; i++)
		if (q->load[i] < q->load[found])
			found = i;
	return found;
}

static double peak(const struct queues *q)
{
	double most = 0;

	for (size_t i = 0; i < q->n; i++)
		if (q->load[i] > most)
			most = q->load[i];
	return q->fair > 0 ? most / q->fair : 0;
}

double even_out_peak(const struct rssb_table *table, const struct even_out_load *load)
{
	struct queues q;

	queues_init(&q, table, load);
	return peak(&q);
}

/*
 * Whether two queues of these loads differ by more than chance makes of an even load.  A count of n
 * packets, each of which could have gone elsewhere, has a standard deviation of the root of n, and
 * the difference of two counts that of their sum.
 */
static bool beyond_chance(double difference, double sum)
{
	return difference > 0 && difference * difference > CHANCE * CHANCE * sum;
}

/*
 * False: no move to the lightest queue gains enough.  The first move of a round has to gain more
 * than the others: or what is nearly even moves now and then.
 */
static bool best_move(const struct queues *q, size_t n_entries, const struct even_out_load *load,
		      bool first, struct rssb_move *ret)
{
	const double least = (first ? GAIN_FIRST : GAIN_LEAST) * q->fair;
	const size_t to = lightest(q);
	double best = least * least;
	bool found = false;

	for (size_t i = 0; i < n_entries; i++) {
		const double x = (double)load->entry[i], from = q->load[q->queue[i]];
		const double less = from - q->load[to] - x, gain = x * less;

		if (q->moved[i] || gain <= best ||
		    (first && !beyond_chance(less, from + q->load[to])))
			continue;
		best = gain;
		*ret = (struct rssb_move){ (uint16_t)i, q->queue[i], (uint16_t)to };
		found = true;
	}
	return found;
}

size_t even_out(const struct rssb_table *table, const struct even_out_load *load, size_t max,
		struct rssb_move *ret)
{
	struct queues q;
	size_t n = 0;

	queues_init(&q, table, load);
	if (peak(&q) <= 1 + NEAR)
		return 0;
	while (n < max && best_move(&q, table->len, load, !n, &ret[n])) {
		const struct rssb_move *move = &ret[n++];

		q.load[move->from] -= (double)load->entry[move->entry];
		q.load[move->to] += (double)load->entry[move->entry];
		q.queue[move->entry] = move->to;
		q.moved[move->entry] = true;
	}
	return n;
}
