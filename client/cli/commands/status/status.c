/* SPDX-License-Identifier: MIT */
/* rssb status: how the broker does, and the grants. */
#include "client/cli/commands/status/status.h"

#include <errno.h>
#include <stdlib.h>

#include "client/cli/commands/commands.h"
#include "client/cli/util/mem.h"

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "prometheus", no_argument, NULL, 'p' },
	CLI_OPTIONS_END,
};

static const struct cli_usage usage = {
	.name = "status",
	.shorts = ":hjp",
	.options = options,
	.help = "usage: rssb status [--json | --prometheus]\n"
		"\n"
		"Shows how long the broker has been up, its connections and live grants.\n"
		"Root is told of all clients, and of the pool, memory, requests, refusals\n"
		"and how long grants took; others of what is their own.\n"
		"\n"
		"  --json        for programs\n"
		"  --prometheus  in the text format of a metrics scraper\n",
};

#define GRANTS_MAX 65536 /* more than any broker has: a list without an end fills no memory */

/* *ret_why is left alone where librssb knows the reason. */
static int grants_read(struct rssb *c, struct status *s, const char **ret_why)
{
	size_t room = 0;
	int r;

	for (;;) {
		if (s->n_grants == GRANTS_MAX) {
			*ret_why = "the broker's list of grants has no end";
			return -EPROTO;
		}
		if (s->n_grants == room) {
			room = room ? 2 * room : 16;
			s->grants = mem_must(reallocarray(s->grants, room, sizeof(*s->grants)));
		}
		r = rssb_next_grant(c, s->n_grants ? s->grants[s->n_grants - 1].id : 0,
				    &s->grants[s->n_grants]);
		if (r)
			return r == -ENOENT ? 0 : r;
		s->n_grants++;
	}
}

int cmd_status(struct cli *cli, int argc, char **argv)
{
	void (*print)(const struct status *) = status_print_text;
	struct status s = { 0 };
	struct rssb *c = NULL;
	const char *why = NULL;
	int opt, status = CLI_OK;

	while ((opt = cli_getopt(&usage, argc, argv)) != -1) {
		if (opt != 'j' && opt != 'p')
			return cli_usage_status(opt);
		if (print != status_print_text)
			return cli_misuse(&usage, "--json and --prometheus exclude each other");
		print = opt == 'j' ? status_print_json : status_print_prometheus;
	}
	if (optind < argc)
		return cli_misuse(&usage, "unexpected argument: %s", argv[optind]);
	if (cli_connect(cli, usage.name, &c))
		return CLI_FAILED;

	if (rssb_info(c, &s.info) || rssb_status(c, &s.broker) || grants_read(c, &s, &why))
		status = cli_fail(usage.name, "%s", why ? why : rssb_reason(c));
	else
		print(&s);
	free(s.grants);
	rssb_close(c);
	return status;
}
