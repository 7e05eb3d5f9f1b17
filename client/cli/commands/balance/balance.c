/* SPDX-License-Identifier: MIT */
/*
 * rssb balance: moves entries of a managed grant's table from busy queues to idle
 * ones, by what the grant has counted.  Must never touch key, types or table length.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "client/cli/commands/balance/balance.h"
#include "client/cli/commands/commands.h"
#include "proto/util/deadline.h"

/* At most 15 % of the entries move in a round. */
#define MOVES_PERCENT 15

static struct balance {
	struct grant_name grant;
	int every_ms;
	bool once, dry_run, json, verbose;
	struct rssb *c;
	struct rssb_stats last;
	struct round round;
} options = { .every_ms = 5000 };

static const struct option_row rows[] = {
	OPTION_PARAGRAPH(
		"usage: rssb balance GRANT [--every SECONDS] [--once] [--dry-run] [--json]\n"
		"                   [--verbose]\n"
		"\n"
		"Watches a managed grant that counts packets (rssb attach --managed --stats) and\n"
		"moves entries of its table from busy queues to idle ones: few entries, and none\n"
		"while the load is even. One line a round. Packets of a flow may be reordered\n"
		"at the moment of its move.\n"
		"\n"),
	{ "every", 'e', .argument = "S", OPTION_MS(struct balance, every_ms, 0.1, 86400),
	  .help = "seconds of a round (default: 5; at least 0.1)" },
	{ "once", OPTION_FLAG(struct balance, once),
	  .help = "one round, and one more to see what it did" },
	{ "dry-run", OPTION_FLAG(struct balance, dry_run), .help = "only say what would be moved" },
	{ "json", 'j', OPTION_FLAG(struct balance, json), .help = "one JSON object a round" },
	{ "verbose", 'v', OPTION_FLAG(struct balance, verbose), .help = "each move, too" },
	OPTION_PARAGRAPH("\n"
			 "GRANT is its id, if it is all digits, else its label.\n"),
	OPTION_END,
};

/*
 * Reads where a round begins: first the counters, then the table, so that no move falls between
 * two readings of the counters.
 */
static int begin(struct balance *b)
{
	int err = rssb_stats(b->c, b->grant.id, b->grant.label, &b->last);

	if (!err) /* from now on it is this grant, whoever else uses its label later */
		b->grant = (struct grant_name){ .id = b->last.grant_id };
	return err ? err : rssb_move(b->c, b->grant.id, b->grant.label, NULL, 0, &b->round.table);
}

static void count_up(struct round *r, const struct rssb_stats *before,
		     const struct rssb_stats *after)
{
	r->packets = r->bytes = 0;
	for (size_t i = 0; i < RSSB_QUEUES_MAX; i++) {
		r->packets += after->queue[i].packets - before->queue[i].packets;
		r->bytes += after->queue[i].bytes - before->queue[i].bytes;
	}
	for (size_t i = 0; i < RSSB_TABLE_ENTRIES_MAX; i++)
		r->entry_bytes[i] = after->entry[i].bytes - before->entry[i].bytes;
}

static int measure(struct balance *b)
{
	struct round *r = &b->round;
	struct rssb_stats now;
	int err = rssb_stats(b->c, b->grant.id, b->grant.label, &now);

	if (err)
		return err;
	r->number++;
	r->seconds = (double)(now.time_ns - b->last.time_ns) / 1e9;
	even_out_load_between(&r->load, &r->table, &b->last, &now);
	count_up(r, &b->last, &now);
	r->peak = r->expected = even_out_peak(&r->table, &r->load);
	r->moved = false;
	r->n = 0;
	return 0;
}

/*
 * Asks even_out() for the moves of this round, and computes the load that the table after them
 * is expected to have.
 */
static void plan(struct round *r)
{
	struct rssb_table next = r->table;
	size_t most = (size_t)r->table.len * MOVES_PERCENT / 100;

	r->n = even_out(&r->table, &r->load, most ? most : 1, r->move);
	for (size_t i = 0; i < r->n; i++)
		next.queue[r->move[i].entry] = r->move[i].to;
	r->expected = even_out_peak(&next, &r->load);
}

static int carry_out(struct balance *b)
{
	struct rssb_table after;
	int err;

	if (b->dry_run || !b->round.n)
		return 0;
	err = rssb_move(b->c, b->grant.id, b->grant.label, b->round.move, b->round.n, &after);
	b->round.moved = !err;
	if (err == -EINVAL) { /* somebody else changed the table: the next round reads it anew */
		cli_fail(cmd_balance.name, "%s; nothing moved in this round", rssb_reason(b->c));
		return 0;
	}
	return err;
}

static void show(const struct balance *b)
{
	if (b->json)
		round_print_json(stdout, &b->round);
	else
		round_print(stdout, &b->round, b->verbose);
	fflush(stdout);
}

/* Runs rounds until --once or a failure ends them.  Returns 0, or the error of librssb. */
static int balance(struct balance *b)
{
	int64_t next = deadline_now_ms();
	int err = begin(b);

	while (!err) {
		const bool last = b->once && b->round.number == 1;

		next += b->every_ms;
		poll(NULL, 0, deadline_left_ms(next));
		err = measure(b);
		if (err)
			return err;
		if (!last)
			plan(&b->round);
		err = carry_out(b);
		show(b);
		if (last || ferror(stdout))
			return err;
		if (!err)
			err = begin(b);
	}
	return err;
}

static int balance_run(struct cli *cli, int argc, char **argv)
{
	struct balance *b = &options;
	int status = cli_grant(&cmd_balance, argc, argv, &b->grant), err;

	if (!status)
		status = cli_connect(cli, cmd_balance.name, &b->c);
	if (status)
		return status;
	err = balance(b);
	if (err)
		status = cli_fail_grant(cmd_balance.name, argv[0], err, rssb_reason(b->c));
	rssb_close(b->c);
	return status;
}

const struct command cmd_balance = { "balance", rows, 17, &options, balance_run };
