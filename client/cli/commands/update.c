/* SPDX-License-Identifier: MIT */
/* rssb update: other steering for a managed grant, while packets flow. */
#include <string.h>

#include "client/cli/commands/commands.h"
#include "client/cli/rss/steering.h"

static const struct option_row rows[] = {
	OPTION_PARAGRAPH(
		"usage: rssb update GRANT STEERING\n"
		"\n"
		"Replaces all the steering of a managed grant of yours (as root: anybody's):\n"
		"what STEERING does not say gets its default, but the key stays.\n"
		"\n"
		"GRANT is its id, if it is all digits, else its label.\n"
		"\n" STEERING_HELP("the one in use")),
	OPTION_END,
};

static int update(struct cli *cli, const struct grant_name *grant, const struct steering *steering,
		  const char *text)
{
	struct rssb_steering view = steering_view(steering);
	_cleanup_connection_ struct rssb *c = NULL;
	int r = cli_connect(cli, cmd_update.name, &c);

	if (r)
		return r;
	r = rssb_update(c, grant->id, grant->label, &view);
	return r ? cli_fail_grant(cmd_update.name, text, r, rssb_reason(c)) : CLI_OK;
}

static int update_run(struct cli *cli, int argc, char **argv)
{
	struct grant_name grant;
	struct steering steering;
	char why[WHY_MAX];
	int status;

	if (argc != 2)
		return cli_misuse(&cmd_update, "needs GRANT, and STEERING as one argument");
	if (cli_grant(&cmd_update, 1, argv, &grant))
		return CLI_USAGE;
	if (steering_parse(&steering, argv[1], why) || steering_check(&steering, why))
		return cli_misuse(&cmd_update, "%s", why);

	status = update(cli, &grant, &steering, argv[0]);
	explicit_bzero(&steering, sizeof(steering)); /* the key */
	return status;
}

const struct command cmd_update = { "update", rows, 0, NULL, update_run };
