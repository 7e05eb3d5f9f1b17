/* SPDX-License-Identifier: MIT */
/*
 * rssb attach and rssb detach: steering for a VMM that knows none.  The set is
 * got before the tap is touched, so that a queue is open as shortly as can be.
 */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "fd.h"
#include "steering.h"
#include "tap.h"

static const struct option attach_options[] = {
	{ "fd", required_argument, NULL, 'f' },
	{ "label", required_argument, NULL, 'l' },
	CLI_OPTIONS_END,
};

static const struct cli_usage attach_usage = {
	.name = "attach",
	.shorts = ":hf:l:",
	.options = attach_options,
	.help = "usage: rssb attach IFNAME STEERING\n"
		"       rssb attach --fd N STEERING\n"
		"\n"
		"Puts a steering program on a multi-queue tap, in the place of what was there,\n"
		"for a VMM that knows no RSS.  It stays until it is replaced, rssb detach, or\n"
		"the end of the tap; its steering cannot be changed.\n"
		"\n"
		"IFNAME is a tap that you may open.  A queue of it is opened and detached at\n"
		"once; packets that the kernel steers there in between are lost.  With --fd\n"
		"none is: N is an inherited fd of one of the tap's queues.\n"
		"\n"
		"  --fd N      use this open queue\n"
		"  --label L   the grant's label, while rssb attach runs\n"
		"\n"
		"STEERING is one argument in the words of ethtool -X:\n"
		"  equal N | weight W0 W1 ... | table Q,Q,...   which queues, how often\n"
		"  start N           equal and weight begin at queue N\n"
		"  hkey aa:bb:...    the key, 40 bytes (default: a random one)\n"
		"  default-queue N   for packets of no enabled hash type (default: 0)\n"
		"  hash-types LIST   of ipv4 tcp4 udp4 ipv6 tcp6 udp6 ip_ex tcp_ex udp_ex,\n"
		"                    or all (the default) or none\n",
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
	const char *ifname;  /* NULL: fd */
	const char *fd_text; /* NULL: ifname */
	int fd;		     /* borrowed */
};

/* Takes the first word for the name unless there was --fd. */
static int target_parse(const struct cli_usage *usage, struct target *t, int *argc, char ***argv)
{
	char *end;
	long fd;

	if (!t->fd_text) {
		if (*argc < 1)
			return cli_misuse(usage, "which interface?");
		t->ifname = (*argv)[0];
		(*argc)--;
		(*argv)++;
		return CLI_GO_ON;
	}
	fd = strtol(t->fd_text, &end, 10);
	if (*end || end == t->fd_text || fd < 0 || fd > INT32_MAX)
		return cli_misuse(usage, "--fd: %s: not the number of an fd", t->fd_text);
	t->fd = (int)fd;
	return CLI_GO_ON;
}

/* Sets what steers the tap; prog -1: the kernel. */
static int target_steer(const struct cli_usage *usage, const struct target *t, int prog)
{
	_cleanup_fd_ int own = -1;
	char reason[256];
	int r;

	if (t->ifname)
		r = tap_open(&own, t->ifname, reason, sizeof(reason));
	else
		r = tap_check(t->fd, reason, sizeof(reason));
	if (!r)
		r = tap_steer(t->ifname ? own : t->fd, prog, reason, sizeof(reason));
	return r ? cli_fail(usage->name, "%s", reason) : CLI_OK;
}

static int acquire(struct cli *cli, const struct steering *steering, const char *label,
		   struct rssb_fds *ret)
{
	struct rssb_steering view = steering_view(steering);
	const struct rssb_acquire_options options = {
		.size = sizeof(options),
		.kind = RSSB_PROGRAM_ONLY,
		.steering = &view,
		.label = label,
	};
	struct rssb *c = NULL;
	int status = cli_connect(cli, attach_usage.name, &c);

	if (status)
		return status;
	if (rssb_acquire(c, &options, ret, NULL))
		status = cli_fail(attach_usage.name, "%s", rssb_reason(c));
	rssb_close(c);
	return status;
}

static int attach(struct cli *cli, const struct target *t, const char *text, const char *label)
{
	struct rssb_fds fds = RSSB_FDS_INIT;
	struct steering steering;
	char reason[256];
	int status;

	if (steering_parse(&steering, text, reason, sizeof(reason)) ||
	    steering_complete(&steering, reason, sizeof(reason)))
		return cli_misuse(&attach_usage, "%s", reason);
	status = acquire(cli, &steering, label, &fds);
	explicit_bzero(&steering, sizeof(steering)); /* the key */
	if (status == CLI_OK)
		status = target_steer(&attach_usage, t, fds.prog);
	rssb_fds_close(&fds);
	return status;
}

int cmd_attach(struct cli *cli, int argc, char **argv)
{
	struct target t = { .fd = -1 };
	const char *label = NULL;
	int opt, status;

	while ((opt = cli_getopt(&attach_usage, argc, argv)) != -1) {
		if (opt == 'f')
			t.fd_text = optarg;
		else if (opt == 'l')
			label = optarg;
		else
			return cli_usage_status(opt);
	}
	argc -= optind;
	argv += optind;
	status = target_parse(&attach_usage, &t, &argc, &argv);
	if (status != CLI_GO_ON)
		return status;
	if (argc != 1)
		return cli_misuse(&attach_usage, "needs STEERING as one argument");
	return attach(cli, &t, argv[0], label);
}

int cmd_detach(struct cli *cli, int argc, char **argv)
{
	struct target t = { .fd = -1 };
	int opt, status;

	while ((opt = cli_getopt(&detach_usage, argc, argv)) != -1) {
		if (opt != 'f')
			return cli_usage_status(opt);
		t.fd_text = optarg;
	}
	argc -= optind;
	argv += optind;
	status = target_parse(&detach_usage, &t, &argc, &argv);
	if (status != CLI_GO_ON)
		return status;
	if (argc)
		return cli_misuse(&detach_usage, "%s: one word too many", argv[0]);
	return target_steer(&detach_usage, &t, -1);
}
