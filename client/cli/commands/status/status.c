/* SPDX-License-Identifier: MIT */
/* rssb status: how the broker does, and the grants. */
#include "client/cli/commands/status/status.h"

#include <errno.h>
#include <stdlib.h>

#include "client/cli/commands/commands.h"
#include "client/cli/util/mem.h"

static struct request {
	bool json, prometheus;
} options;

static const struct option_row rows[] = {
	OPTION_PARAGRAPH(
		"usage: rssb status [--json | --prometheus]\n"
		"\n"
		"Shows how long the broker has been up, its connections and live grants.\n"
		"Root is told of all clients, and of the pool, memory, requests, refusals\n"
		"and how long grants took; others of what is their own.\n"
		"\n"),
	{ "json", .unlisted = 'j', OPTION_FLAG(struct request, json), .help = "for programs" },
	{ "prometheus", .unlisted = 'p', OPTION_FLAG(struct request, prometheus),
	  .help = "in the text format of a metrics scraper" },
	OPTION_END,
};

#define GRANTS_MAX 8192 /* more than any broker has: a list without an end fills no memory */

/* *ret_why is left alone where librssb knows the reason. */
static int grants_read(struct rssb *c, struct status *s, const char **ret_why)
{
	int r;

	for (;;) {
		if (s->n_grants == GRANTS_MAX) {
			*ret_why = "the broker's list of grants has no end";
			return -EPROTO;
		}
		s->grants = mem_must(reallocarray(s->grants, s->n_grants + 1, sizeof(*s->grants)));
		r = rssb_next_grant(c, s->n_grants ? s->grants[s->n_grants - 1].id : 0,
				    &s->grants[s->n_grants]);
		if (r)
			return r == -ENOENT ? 0 : r;
		s->n_grants++;
	}
}

static int status_run(struct cli *cli, int argc, char **argv)
{
	_cleanup_connection_ struct rssb *c = NULL;
	struct status s = { 0 };
	const char *why = NULL;
	int status = CLI_OK;

	if (options.json && options.prometheus)
		return cli_misuse(&cmd_status, "--json and --prometheus exclude each other");
	if (cli_connect(cli, cmd_status.name, &c))
		return CLI_FAILED;
	if (rssb_info(c, &s.info) || rssb_status(c, &s.broker) || grants_read(c, &s, &why))
		status = cli_fail(cmd_status.name, "%s", why ? why : rssb_reason(c));
	else if (options.json)
		status_print_json(&s);
	else if (options.prometheus)
		status_print_prometheus(&s);
	else
		status_print_text(&s);
	free(s.grants);
	return status;
}

const struct command cmd_status = { "status", rows, 16, &options, status_run, .no_words = true };
