/* SPDX-License-Identifier: MIT */
/*
 * rssb attach and rssb detach: steering for a VMM that knows none.  The tap comes
 * first, so that no grant is made for one that cannot be steered.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands/commands.h"
#include "client/cli/net/tap.h"
#include "client/cli/rss/steering.h"
#include "client/cli/util/retry.h"
#include "proto/codec.h"
#include "proto/fd.h"

static const struct option attach_options[] = {
	{ "fd", required_argument, NULL, 'f' },	  { "label", required_argument, NULL, 'l' },
	{ "managed", no_argument, NULL, 'm' },	  { "stats", no_argument, NULL, 's' },
	{ "wait", required_argument, NULL, 'w' }, CLI_OPTIONS_END,
};

static const struct cli_usage attach_usage = {
	.name = "attach",
	.shorts = ":hf:l:msw:",
	.options = attach_options,
	.help = "usage: rssb attach IFNAME STEERING [OPTION...]\n"
		"       rssb attach --fd N STEERING [OPTION...]\n"
		"\n"
		"Puts a steering program on a multi-queue tap, in the place of what was there,\n"
		"for a VMM that knows no RSS.  It stays until it is replaced, rssb detach, or\n"
		"the end of the tap.\n"
		"\n"
		"IFNAME is a tap that you may open.  A queue of it is opened and detached at\n"
		"once; if no program steers the tap yet, packets that the kernel puts there in\n"
		"between are lost: one or two, at 40,000 a second.  With --fd none is: N is an\n"
		"inherited fd of one of the tap's queues.\n"
		"\n"
		"  --fd N      use this open queue\n"
		"  --wait S    seconds, for a busy or restarting broker (default: 10)\n"
		"  --managed   its steering can be changed by rssb update\n"
		"  --stats     it counts packets, for rssb top\n"
		"  --label L   name the grant: 1-16 of A-Z a-z 0-9 . _ -, not all digits\n"
		"\n"
		"With any of the last three the grant is printed and lives until rssb release;\n"
		"without, it ends with rssb attach, and its steering is fixed.\n"
		"\n" STEERING_HELP("a random one"),
};

static const struct option detach_options[] = {
	{ "fd", required_argument, NULL, 'f' },
	CLI_OPTIONS_END,
};

static const struct cli_usage detach_usage = {
	.name = "detach",
	.shorts = ":hf:",
	.options = detach_options,
	.help = "usage: rssb detach IFNAME\n"
		"       rssb detach --fd N\n"
		"\n"
		"Takes the steering program off a tap: the kernel chooses queues its own way\n"
		"again.  IFNAME and --fd are as for rssb attach.\n"
		"\n"
		"  --fd N  use this open queue\n",
};

/* Which tap: by name, or by an inherited fd. */
struct target {
	const char *fd_text; /* NULL: by name */
	int queue;	     /* one of the tap's; owned if it was opened by name */
};
#define TARGET_INIT                                                                                \
	{                                                                                          \
		.queue = -1                                                                        \
	}

static void target_done(struct target *t)
{
	if (!t->fd_text)
		fd_closep(&t->queue);
}

/* CLI_GO_ON with a tap that can be steered, or the status to end with. */
static int target_open(const struct cli_usage *usage, struct target *t, const char *ifname)
{
	char reason[256], *end;
	long fd;
	int r;

	if (t->fd_text) {
		fd = strtol(t->fd_text, &end, 10);
		if (*end || end == t->fd_text || fd < 0 || fd > INT32_MAX)
			return cli_misuse(usage, "--fd %s: must be the number of an open fd",
					  t->fd_text);
		t->queue = (int)fd;
		r = tap_check(t->queue, reason, sizeof(reason));
	} else {
		r = tap_open(&t->queue, ifname, reason, sizeof(reason));
	}
	return r ? cli_fail(usage->name, "%s", reason) : CLI_GO_ON;
}

/* What attach is to ask the broker for. */
struct wish {
	bool managed, stats;
	int wait_ms;
	const char *label; /* NULL: none */
	struct steering steering;
};

static int acquire(struct retry *a, const struct wish *wish, struct rssb_fds *ret,
		   struct rssb_grant *ret_grant)
{
	bool keep = wish->managed || wish->stats || wish->label;
	struct rssb_steering view = steering_view(&wish->steering);
	const struct rssb_acquire_options options = {
		.size = sizeof(options),
		.kind = wish->managed ? RSSB_MANAGED : RSSB_PROGRAM_ONLY,
		.flags = (wish->stats ? RSSB_GRANT_STATS : 0u) | (keep ? RSSB_GRANT_KEEP : 0u),
		.steering = &view,
		.label = wish->label,
	};
	int r = retry_acquire(a, &options, ret, ret_grant);

	if (!keep)
		ret_grant->id = 0; /* it ends with its lease, that is with us */
	return r;
}

/* A kept grant that steers nothing would stay for nobody. */
static int attach_set(struct retry *a, const struct target *t, const struct wish *wish)
{
	struct rssb_fds fds = RSSB_FDS_INIT;
	struct rssb_grant grant = { 0 };
	char reason[256];
	int r;

	r = acquire(a, wish, &fds, &grant);
	if (r)
		return cli_fail(attach_usage.name, "%s%s", retry_reason(a),
				r == -EEXIST ? "; end it by rssb release, or give another --label"
					     : "");
	r = tap_steer(t->queue, fds.prog, reason, sizeof(reason));
	rssb_fds_close(&fds);
	if (r && grant.id)
		rssb_release(a->c, grant.id, NULL);
	if (r)
		return cli_fail(attach_usage.name, "%s", reason);
	if (grant.id)
		printf("grant %" PRIu64 "%s%s\n", grant.id, wish->label ? " " : "",
		       wish->label ? wish->label : "");
	return CLI_OK;
}

/* The kernel takes what the program says modulo the number of queues that are attached. */
static void queues_warn(const struct target *t, const struct steering *steering)
{
	unsigned live = tap_live_queues(t->queue);

	if (live && steering->queues > live)
		cli_fail(
			attach_usage.name,
			"warning: STEERING names queue %u, and the tap has %u attached: the kernel "
			"puts its packets on queue %u until there are more",
			steering->queues - 1u, live, (steering->queues - 1u) % live);
}

static int attach(struct cli *cli, struct target *t, const char *ifname, struct wish *wish)
{
	struct retry a = { .what = attach_usage.name, .socket = cli->socket };
	int status = target_open(&attach_usage, t, ifname);

	if (status != CLI_GO_ON)
		return status;
	queues_warn(t, &wish->steering);
	retry_start(&a, wish->wait_ms);
	status = attach_set(&a, t, wish);
	retry_done(&a);
	target_done(t);
	return status;
}

static int attach_options_parse(int argc, char **argv, struct target *t, struct wish *wish)
{
	int opt;

	while ((opt = cli_getopt(&attach_usage, argc, argv)) != -1) {
		switch (opt) {
		case 'f':
			t->fd_text = optarg;
			break;
		case 'l':
			if (!rssb_label_valid(optarg))
				return cli_misuse(&attach_usage,
						  "--label %s: must be 1-16 of A-Z a-z 0-9 . _ -, "
						  "and not all "
						  "digits: that is an id",
						  optarg);
			wish->label = optarg;
			break;
		case 'm':
			wish->managed = true;
			break;
		case 's':
			wish->stats = true;
			break;
		case 'w':
			if (cli_parse_seconds(optarg, 0, 86400, &wish->wait_ms))
				return cli_misuse(&attach_usage,
						  "--wait %s: must be seconds, from 0 to 86400",
						  optarg);
			break;
		default:
			return cli_usage_status(opt);
		}
	}
	return CLI_GO_ON;
}

int cmd_attach(struct cli *cli, int argc, char **argv)
{
	struct target t = TARGET_INIT;
	struct wish wish = { .wait_ms = 10000 };
	char reason[256];
	int status = attach_options_parse(argc, argv, &t, &wish);

	if (status != CLI_GO_ON)
		return status;
	if (argc - optind != (t.fd_text ? 1 : 2))
		return cli_misuse(&attach_usage, "needs %sSTEERING as one argument",
				  t.fd_text ? "" : "IFNAME, and ");
	if (steering_parse(&wish.steering, argv[argc - 1], reason, sizeof(reason)) ||
	    steering_complete(&wish.steering, reason, sizeof(reason)))
		return cli_misuse(&attach_usage, "%s", reason);
	status = attach(cli, &t, argv[optind], &wish);
	explicit_bzero(&wish, sizeof(wish)); /* the key */
	return status;
}

int cmd_detach(struct cli *cli, int argc, char **argv)
{
	struct target t = TARGET_INIT;
	char reason[256];
	int opt, status;

	while ((opt = cli_getopt(&detach_usage, argc, argv)) != -1) {
		if (opt != 'f')
			return cli_usage_status(opt);
		t.fd_text = optarg;
	}
	if (argc - optind != (t.fd_text ? 0 : 1))
		return cli_misuse(&detach_usage, "%s",
				  t.fd_text ? "--fd N and IFNAME exclude each other"
					    : "needs IFNAME or --fd N");
	status = target_open(&detach_usage, &t, argv[optind]);
	if (status != CLI_GO_ON)
		return status;

	status = CLI_OK;
	if (tap_steer(t.queue, -1, reason, sizeof(reason)))
		status = cli_fail(detach_usage.name, "%s", reason);
	target_done(&t);
	return status;
}
