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

static int release_run(struct cli *cli, int argc, char **argv)
{
	_cleanup_connection_ struct rssb *c = NULL;
	struct grant_name grant;
	int r = cli_grant(&cmd_release, argc, argv, &grant);

	if (!r)
		r = cli_connect(cli, cmd_release.name, &c);
	if (r)
		return r;
	r = rssb_release(c, grant.id, grant.label);
	return r ? cli_fail_grant(cmd_release.name, argv[0], r, rssb_reason(c)) : CLI_OK;
}

const struct command cmd_release = { "release", rows, 0, NULL, release_run };
