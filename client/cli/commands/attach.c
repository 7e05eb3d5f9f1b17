/* SPDX-License-Identifier: MIT */
/*
 * rssb attach and rssb detach: a steering program on a tap, for a VMM that knows no RSS.  The
 * tap is opened first, so that no grant is made for a tap that cannot be steered.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/commands/commands.h"
#include "client/cli/net/tap.h"
#include "client/cli/rss/steering.h"
#include "client/cli/util/retry.h"
#include "proto/codec.h"
#include "proto/util/fd.h"

/* Which tap: by name, or by an inherited fd. */
struct target {
	unsigned fd; /* UINT_MAX: by name */
	int queue;   /* one of the tap's; owned if it was opened by name */
};
/* What attach is to ask the broker for, and for which tap; detach has a tap alone. */
static struct wish {
	struct target target;
	bool managed, stats;
	int wait_ms;
	const char *label; /* NULL: none */
	struct steering steering;
} options = { .target = { .fd = UINT_MAX, .queue = -1 }, .wait_ms = 10000 };

static const struct option_row attach_rows[] = {
	OPTION_PARAGRAPH(
		"usage: rssb attach IFNAME STEERING [OPTION...]\n"
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
		"\n"),
	{ "fd", .unlisted = 'f', .argument = "N", OPTION_NUMBER(struct wish, target.fd, 0, INT_MAX),
	  .must = "the number of an open fd", .help = "use this open queue" },
	{ "wait", .unlisted = 'w', .argument = "S", OPTION_MS(struct wish, wait_ms, 0, 86400),
	  .help = "seconds, for a busy or restarting broker (default: 10)" },
	{ "managed", .unlisted = 'm', OPTION_FLAG(struct wish, managed),
	  .help = "its steering can be changed by rssb update" },
	{ "stats", .unlisted = 's', OPTION_FLAG(struct wish, stats),
	  .help = "it counts packets, for rssb top" },
	{ "label", .unlisted = 'l', .argument = "L", OPTION_TEXT(struct wish, label),
	  .help = "name the grant: 1-16 of A-Z a-z 0-9 . _ -, not all digits" },
	OPTION_PARAGRAPH(
		"\n"
		"With any of the last three the grant is printed and lives until rssb release;\n"
		"without, it ends with rssb attach, and its steering is fixed.\n"
		"\n" STEERING_HELP("a random one")),
	OPTION_END,
};

static const struct option_row detach_rows[] = {
	OPTION_PARAGRAPH(
		"usage: rssb detach IFNAME\n"
		"       rssb detach --fd N\n"
		"\n"
		"Takes the steering program off a tap: the kernel chooses queues its own way\n"
		"again.  IFNAME and --fd are as for rssb attach.\n"
		"\n"),
	{ "fd", .unlisted = 'f', .argument = "N", OPTION_NUMBER(struct wish, target.fd, 0, INT_MAX),
	  .must = "the number of an open fd", .help = "use this open queue" },
	OPTION_END,
};

static void target_done(struct target *t)
{
	if (t->fd == UINT_MAX)
		fd_closep(&t->queue);
}

/* 0 with a tap that can be steered; or CLI_FAILED after saying why. */
static int target_open(const char *what, struct target *t, const char *ifname)
{
	char why[WHY_MAX];
	int r;

	if (t->fd != UINT_MAX) {
		t->queue = (int)t->fd;
		r = tap_check(t->queue, why);
	} else {
		r = tap_open(&t->queue, ifname, why);
	}
	return r ? cli_fail(what, "%s", why) : CLI_OK;
}

static int acquire(struct retry *a, const struct wish *wish, struct rssb_fds *ret,
		   struct rssb_grant *ret_grant)
{
	bool keep = wish->managed || wish->stats || wish->label;
	struct rssb_steering view = steering_view(&wish->steering);
	const struct rssb_acquire_options request = {
		.size = sizeof(request),
		.kind = wish->managed ? RSSB_MANAGED : RSSB_PROGRAM_ONLY,
		.flags = (wish->stats ? RSSB_GRANT_STATS : 0u) | (keep ? RSSB_GRANT_KEEP : 0u),
		.steering = &view,
		.label = wish->label,
	};
	int r = retry_acquire(a, &request, ret, ret_grant);

	if (!keep)
		ret_grant->id = 0; /* its lease, and so the grant, ends with this process */
	return r;
}

/*
 * Asks for a set and puts its program on the tap.  Where that fails, a grant without a lease is
 * released: nobody else would end it.
 */
static int attach_set(struct retry *a, const struct wish *wish)
{
	struct rssb_fds fds = RSSB_FDS_INIT;
	struct rssb_grant grant = { 0 };
	char why[WHY_MAX];
	int r;

	r = acquire(a, wish, &fds, &grant);
	if (r)
		return cli_fail(cmd_attach.name, "%s%s", a->why,
				r == -EEXIST ? "; end it by rssb release, or give another --label"
					     : "");
	r = tap_steer(wish->target.queue, fds.prog, why);
	rssb_fds_close(&fds);
	if (r && grant.id)
		rssb_release(a->c, grant.id, NULL);
	if (r)
		return cli_fail(cmd_attach.name, "%s", why);
	if (grant.id)
		printf("grant %" PRIu64 "%s%s\n", grant.id, wish->label ? " " : "",
		       wish->label ? wish->label : "");
	return CLI_OK;
}

/*
 * Warns of queues that nobody has attached: the kernel takes the program's queue number modulo
 * the number of attached queues.
 */
static void queues_warn(const struct wish *wish)
{
	const unsigned live = tap_live_queues(wish->target.queue), queues = wish->steering.queues;

	if (live && queues > live)
		cli_fail(
			cmd_attach.name,
			"warning: STEERING names queue %u, and the tap has %u attached: the kernel "
			"puts its packets on queue %u until there are more",
			queues - 1, live, (queues - 1) % live);
}

static int attach(struct cli *cli, struct wish *wish, const char *ifname)
{
	struct retry a = { .what = cmd_attach.name, .socket = cli->socket };
	int status = target_open(cmd_attach.name, &wish->target, ifname);

	if (status)
		return status;
	queues_warn(wish);
	retry_start(&a, wish->wait_ms);
	status = attach_set(&a, wish);
	retry_done(&a);
	target_done(&wish->target);
	return status;
}

static int attach_run(struct cli *cli, int argc, char **argv)
{
	struct wish *wish = &options;
	const bool by_fd = wish->target.fd != UINT_MAX;
	char why[WHY_MAX];
	int status;

	if (argc != (by_fd ? 1 : 2))
		return cli_misuse(&cmd_attach, "needs %sSTEERING as one argument",
				  by_fd ? "" : "IFNAME, and ");
	if (wish->label && !rssb_label_valid(wish->label))
		return cli_misuse(&cmd_attach,
				  "--label %s: must be 1-16 of A-Z a-z 0-9 . _ -, and not all "
				  "digits: that is an id",
				  wish->label);
	if (steering_parse(&wish->steering, argv[argc - 1], why) ||
	    steering_complete(&wish->steering, why))
		return cli_misuse(&cmd_attach, "%s", why);
	status = attach(cli, wish, argv[0]);
	explicit_bzero(wish, sizeof(*wish)); /* the key */
	return status;
}

const struct command cmd_attach = { "attach", attach_rows, 14, &options, attach_run };

static int detach_run(struct cli *cli, int argc, char **argv)
{
	struct target *t = &options.target;
	const bool by_fd = t->fd != UINT_MAX;
	char why[WHY_MAX];
	int status;

	if (argc != !by_fd)
		return cli_misuse(&cmd_detach, "%s",
				  by_fd ? "--fd N and IFNAME exclude each other"
					: "needs IFNAME or --fd N");
	status = target_open(cmd_detach.name, t, argv[0]);
	if (status)
		return status;
	if (tap_steer(t->queue, -1, why))
		status = cli_fail(cmd_detach.name, "%s", why);
	target_done(t);
	return status;
}

const struct command cmd_detach = { "detach", detach_rows, 10, &options, detach_run };
