/* SPDX-License-Identifier: MIT */
/* rssb top: what a grant counts, live.  It reads and changes nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/commands/commands.h"
#include "client/cli/commands/top/rates.h"
#include "client/cli/commands/top/terminal.h"
#include "client/cli/commands/top/view.h"
#include "proto/util/deadline.h"

enum mode { SCREEN, LINES, JSON };

static struct top {
	const char *name; /* of the grant, as given */
	struct grant_name grant;
	enum mode mode;
	bool json;
	int interval_ms;
	unsigned count; /* 0: for ever */
	struct rssb *c;
	struct terminal terminal;
	bool no_table; /* the broker does not know it */
	struct rssb_stats last;
	struct rates rates;
} options = { .interval_ms = 1000 };

static const struct option_row rows[] = {
	OPTION_PARAGRAPH(
		"usage: rssb top GRANT [--json] [--interval SECONDS] [--count N]\n"
		"\n"
		"Shows what a grant that counts packets (rssb attach --stats, rssb run --stats)\n"
		"has counted: for each queue packets and bytes a second, its share of the table\n"
		"(of a managed grant) and of the packets; by what hash types packets were\n"
		"steered, why packets went to the default queue, and the hottest entries.\n"
		"On a terminal as bars, until q or Ctrl-C; otherwise, and with TERM=dumb, lines.\n"
		"\n"),
	{ "json", .unlisted = 'j', OPTION_FLAG(struct top, json),
	  .help = "one JSON object a line, with counts of the interval" },
	{ "interval", 'i', .argument = "S", OPTION_MS(struct top, interval_ms, 0.1, 86400),
	  .help = "seconds between two looks (default: 1; at least 0.1)" },
	{ "count", 'n', .argument = "N", OPTION_NUMBER(struct top, count, 1, UINT_MAX),
	  .help = "end after N looks" },
	OPTION_PARAGRAPH("\n"
			 "GRANT is its id, if it is all digits, else its label.\n"),
	OPTION_END,
};

static void show_screen(const struct top *top)
{
	struct view_size size = terminal_size();
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	view_screen(out, &top->rates, top->name, &size);
	if (fclose(out) == 0)
		terminal_show(text);
	free(text);
}

static void show(const struct top *top)
{
	if (top->mode == SCREEN)
		show_screen(top);
	else if (top->mode == LINES)
		view_line(stdout, &top->rates);
	else
		view_json(stdout, &top->rates);
	fflush(stdout);
}

/*
 * Reads the counters.  If the label is another grant's by now, counting starts anew with that
 * grant.
 */
static int counters_read(struct top *top)
{
	struct rssb_stats now;
	int r = rssb_stats(top->c, top->grant.id, top->grant.label, &now);

	if (r)
		return r;
	if (now.grant_id != top->last.grant_id)
		top->last = now;
	rates_between(&top->rates, &top->last, &now);
	top->last = now;
	/* Of a grant that is not managed only its holder knows the table. */
	if (!top->no_table)
		top->no_table = rssb_move(top->c, top->grant.id, top->grant.label, NULL, 0,
					  &top->rates.table);
	return 0;
}

/* Waits until the counters are to be read again; false: the user asked to end. */
static bool pause_until(struct top *top, int64_t deadline)
{
	enum terminal_event event;

	while ((event = terminal_wait(&top->terminal, deadline)) != TERMINAL_TIMEOUT) {
		if (event == TERMINAL_QUIT)
			return false;
		if (top->mode == SCREEN)
			show(top);
	}
	return true;
}

/* Shows one interval after the other.  0: the user asked to end; else the error of librssb. */
static int watch(struct top *top)
{
	int64_t next = deadline_now_ms();
	int r = counters_read(top);

	if (!r && top->mode == SCREEN)
		show(top); /* all zero: the first interval has not passed yet */
	for (unsigned n = 0; !r && (!top->count || n < top->count); n++) {
		next += top->interval_ms;
		if (!pause_until(top, next))
			return 0;
		r = counters_read(top);
		if (!r)
			show(top);
		if (ferror(stdout))
			return 0; /* main says it */
	}
	return r;
}

static int top_run(struct cli *cli, int argc, char **argv)
{
	struct top *top = &options;
	int r, status = cli_grant(&cmd_top, argc, argv, &top->grant);

	if (!status)
		status = cli_connect(cli, cmd_top.name, &top->c);
	if (status)
		return status;
	top->name = argv[0];
	top->mode = top->json ? JSON : terminal_can_screen() ? SCREEN : LINES;
	r = terminal_open(&top->terminal, top->mode == SCREEN);
	if (r) {
		status = cli_fail(cmd_top.name, "%s", strerror(-r));
	} else {
		r = watch(top);
		terminal_close(&top->terminal);
		if (r)
			status = cli_fail_grant(cmd_top.name, top->name, r, rssb_reason(top->c));
	}
	rssb_close(top->c);
	return status;
}

const struct command cmd_top = { "top", rows, 21, &options, top_run };
