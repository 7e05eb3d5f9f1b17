/* SPDX-License-Identifier: MIT */
/* rssb release: ends a grant by id or label.  Steering that is attached goes on. */
#include "client/cli/commands/commands.h"

static const struct option_row rows[] = {
	OPTION_PARAGRAPH(
		"usage: rssb release GRANT\n"
		"\n"
		"Ends a grant of yours (as root: anybody's), so that it no longer counts\n"
		"against your limits.  A program that is attached to a tap stays there, and\n"
		"whoever holds the grant's fds keeps them.\n"
		"\n"
		"GRANT is its id, if it is all digits, else its label.\n"),
	OPTION_END,
};

static const struct cli_usage usage = { "release", rows };

int cmd_release(struct cli *cli, int argc, char **argv)
{
	_cleanup_connection_ struct rssb *c = NULL;
	struct grant_name grant;
	int r, status = cli_options(&usage, NULL, argc, argv);

	if (status == CLI_GO_ON)
		status = cli_grant(&usage, argc - optind, argv + optind, &grant);
	if (status != CLI_GO_ON)
		return status;
	if (cli_connect(cli, usage.name, &c))
		return CLI_FAILED;
	r = rssb_release(c, grant.id, grant.label);
	return r ? cli_fail_grant(usage.name, argv[optind], r, rssb_reason(c)) : CLI_OK;
}
