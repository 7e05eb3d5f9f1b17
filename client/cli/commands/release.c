/* SPDX-License-Identifier: MIT */
/* rssb release: ends a grant by id or label.  Steering that is attached goes on. */
#include "client/cli/commands/commands.h"
#include "client/cli/util/grant_name.h"

static const struct option options[] = {
	CLI_OPTIONS_END,
};

static const struct cli_usage usage = {
	.name = "release",
	.shorts = ":h",
	.options = options,
	.help = "usage: rssb release GRANT\n"
		"\n"
		"Ends a grant of yours (as root: anybody's), so that it no longer counts\n"
		"against your limits.  A program that is attached to a tap stays there, and\n"
		"whoever holds the grant's fds keeps them.\n"
		"\n"
		"GRANT is its id, if it is all digits, else its label.\n",
};

int cmd_release(struct cli *cli, int argc, char **argv)
{
	struct rssb *c = NULL;
	int opt, r, status = CLI_OK;
	struct grant_name grant;

	while ((opt = cli_getopt(&usage, argc, argv)) != -1)
		return cli_usage_status(opt);
	if (argc - optind != 1)
		return cli_misuse(&usage, "needs GRANT, an id or a label; rssb status lists yours");
	if (grant_name_parse(&grant, argv[optind]))
		return cli_misuse(&usage, "%s: neither a grant's id nor a label", argv[optind]);

	if (cli_connect(cli, usage.name, &c))
		return CLI_FAILED;
	r = rssb_release(c, grant.id, grant.label);
	if (r)
		status = cli_fail_grant(usage.name, argv[optind], r, rssb_reason(c));
	rssb_close(c);
	return status;
}
