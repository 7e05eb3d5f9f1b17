/* SPDX-License-Identifier: MIT */
/*
 * rssb balance: moves entries of a managed grant's table from busy queues to idle
 * ones, by what the grant has counted.  Must never touch key, types or table length.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "client/cli/commands/balance/balance.h"
#include "client/cli/commands/commands.h"
#include "client/cli/util/grant_name.h"
#include "proto/deadline.h"

static const struct option options[] = {
	{ "every", required_argument, NULL, 'e' }, { "once", no_argument, NULL, 'o' },
	{ "dry-run", no_argument, NULL, 'n' },	   { "json", no_argument, NULL, 'j' },
	{ "verbose", no_argument, NULL, 'v' },	   CLI_OPTIONS_END,
};

static const struct cli_usage usage = {
	.name = "balance",
	.shorts = ":he:jv",
	.options = options,
	.help = "usage: rssb balance GRANT [--every SECONDS] [--once] [--dry-run] [--json]\n"
		"                   [--verbose]\n"
		"\n"
		"Watches a managed grant that counts packets (rssb attach --managed --stats) and\n"
		"moves entries of its table from busy queues to idle ones: few entries, and none\n"
		"while the load is even. One line a round. Packets of a flow may be reordered\n"
		"at the moment of its move.\n"
		"\n"
		"  -e, --every S  seconds of a round (default: 5; at least 0.1)\n"
		"  --once         one round, and one more to see what it did\n"
		"  --dry-run      only say what would be moved\n"
		"  -j, --json     one JSON object a round\n"
		"  -v, --verbose  each move, too\n"
		"\n"
		"GRANT is its id, if it is all digits, else its label.\n",
};

/* At most 15 % of the entries move in a round. */
#define MOVES_PERCENT 15

struct balance {
	const char *name; /* of the grant, as given */
	struct grant_name grant;
	int every_ms;
	bool once, dry_run, json, verbose;
	struct rssb *c;
	struct rssb_stats last;
	struct round round;
};

/* The counters are read first: a move comes between no two looks at them. */
static int begin(struct balance *b)
{
	int err = rssb_stats(b->c, b->grant.id, b->grant.label, &b->last);

	return err ? err : rssb_move(b->c, b->grant.id, b->grant.label, NULL, 0, &b->round.table);
}

static void pause_for(int ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
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

/* What even_out() says, as a table: what the next packets are expected to meet. */
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
	if (err == -EINVAL) { /* the next round sees the new table */
		cli_fail(usage.name, "%s; nothing moved in this round", rssb_reason(b->c));
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

/* Returns what librssb returned when it ended. */
static int balance(struct balance *b)
{
	int64_t next = deadline_now_ms();
	int err = begin(b);

	while (!err) {
		const bool last = b->once && b->round.number == 1;

		next += b->every_ms;
		pause_for(deadline_left_ms(next));
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

/* CLI_GO_ON, or the status to end with. */
static int parse_words(struct balance *b, int argc, char **argv)
{
	int opt;

	while ((opt = cli_getopt(&usage, argc, argv)) != -1) {
		if (opt == 'e' && cli_parse_seconds(optarg, 0.1, 86400, &b->every_ms))
			return cli_misuse(&usage, "--every: %s: seconds, from 0.1 to 86400",
					  optarg);
		b->once |= opt == 'o';
		b->dry_run |= opt == 'n';
		b->json |= opt == 'j';
		b->verbose |= opt == 'v';
		if (opt == 'h' || opt == '?')
			return cli_usage_status(opt);
	}
	if (argc - optind != 1)
		return cli_misuse(&usage, "needs GRANT, an id or a label; rssb status lists yours");
	b->name = argv[optind];
	if (grant_name_parse(&b->grant, b->name))
		return cli_misuse(&usage, "%s: neither a grant's id nor a label", b->name);
	return CLI_GO_ON;
}

int cmd_balance(struct cli *cli, int argc, char **argv)
{
	static struct balance b = { .every_ms = 5000 }; /* large for a stack */
	int status = parse_words(&b, argc, argv), err;

	if (status != CLI_GO_ON)
		return status;
	status = cli_connect(cli, usage.name, &b.c);
	if (status)
		return status;
	err = balance(&b);
	if (err)
		status = cli_fail_grant(usage.name, b.name, err, rssb_reason(b.c));
	rssb_close(b.c);
	return status;
}
