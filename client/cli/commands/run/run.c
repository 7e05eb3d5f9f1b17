/* SPDX-License-Identifier: MIT */
/* rssb run: plans a command with steering sets, and becomes it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/commands/run/run.h"
#include "client/cli/qemu/args.h"
#include "client/cli/util/mem.h"

static const struct option options[] = {
	{ "on-demand", no_argument, NULL, 'd' },
	{ "optional", no_argument, NULL, 'o' },
	{ "if-needed", no_argument, NULL, 'i' },
	{ "wait", required_argument, NULL, 'w' },
	{ "rss", no_argument, NULL, 'r' },
	{ "no-probe", no_argument, NULL, 'n' },
	{ "no-vhost", no_argument, NULL, 'V' },
	{ "qemu", optional_argument, NULL, 'q' },
	{ "exact", no_argument, NULL, 'e' },
	{ "stats", no_argument, NULL, 's' },
	{ "host-steering", required_argument, NULL, 'H' },
	{ "steering", required_argument, NULL, 'S' },
	{ "verbose", no_argument, NULL, 'v' },
	CLI_OPTIONS_END,
};

static const struct cli_usage usage = {
	.name = "run",
	.shorts = "+:hv", /* '+': the command's own options are its own */
	.options = options,
	.help = "usage: rssb run [OPTION...] -- [PREFIX...] QEMU ARG...\n"
		"       rssb run --on-demand [OPTION...] -- COMMAND ARG...\n"
		"       rssb run [OPTION...] --host-steering STEERING -- [PREFIX...] QEMU ARG...\n"
		"       rssb run [OPTION...] --steering STEERING -- COMMAND ARG...\n"
		"\n"
		"Gets a steering set for every virtio-net device with rss on, adds it to the\n"
		"device as ebpf-rss-fds, and becomes the command.  Devices that have fds\n"
		"already stay as they are.  QEMU is the word that is an executable file named\n"
		"qemu-system-*, qemu-kvm or kvm.  The words before it (setpriv, bwrap, ip netns\n"
		"exec) are run as they are and have to let fds through: sudo does not.\n"
		"\n"
		"  --on-demand     QEMU asks for a program itself, at start and at hotplug: it\n"
		"                  is answered, and no argument is read or changed (goes with\n"
		"                  --optional, --stats, --wait and --verbose)\n"
		"  --optional      whatever fails: one warning, and the command unchanged\n"
		"  --if-needed     no device that needs it is no error: the command unchanged\n"
		"  --rss           rss on where mq is on and rss is not mentioned\n"
		"  --wait SECONDS  for a busy or restarting broker (default: 10; with\n"
		"                  --optional 1 for one that is not there; with --on-demand 2,\n"
		"                  in which the VM stands still)\n"
		"  --exact         QEMU's own object, imported by rssb extract, and no other\n"
		"                  (else the broker's own, if QEMU's is of the same ABI)\n"
		"  --stats         the sets count packets, for rssb top\n"
		"  --no-probe      do not ask QEMU for its property types first; then only\n"
		"                  devices in JSON form can be given fds\n"
		"  --no-vhost      vhost off at devices whose set this QEMU would not use with\n"
		"                  vhost on (10.1 and newer)\n"
		"  --qemu [WORD]   this word of the command is QEMU, whatever its name\n"
		"                  (without WORD: the first)\n"
		"  -v, --verbose   say what is done\n"
		"\n"
		"  --host-steering STEERING\n"
		"                  for guests that ask for no RSS: the tap of every virtio-net\n"
		"                  device with mq on is steered so, and its rss turned off\n"
		"  --steering STEERING\n"
		"                  for any other program: it inherits one set, named by\n"
		"                  RSSB_FDS=program=N,config=N,key=N,table=N,lease=N; a\n"
		"                  multi-queue tap that it inherits is steered\n"
		"\n" STEERING_HELP("a random one"),
};

/* The flag that an option sets; NULL: it has a value. */
static bool *option_flag(struct run_options *o, int opt)
{
	switch (opt) {
	case 'd':
		return &o->on_demand;
	case 'e':
		return &o->exact;
	case 'i':
		return &o->if_needed;
	case 'n':
		return &o->no_probe;
	case 'o':
		return &o->optional;
	case 'r':
		return &o->all_multiqueue;
	case 's':
		return &o->stats;
	case 'V':
		return &o->no_vhost;
	case 'v':
		return &o->verbose;
	default:
		return NULL;
	}
}

static int steering_take(struct run_options *o, const char *text, bool *flag)
{
	char reason[256];

	*flag = true;
	if (steering_parse(&o->steering, text, reason, sizeof(reason)) ||
	    steering_complete(&o->steering, reason, sizeof(reason)))
		return cli_misuse(&usage, "%s", reason);
	return CLI_GO_ON;
}

/* Whether the command, which begins after "--", has this word or a file of this name. */
static bool command_has(char *const *argv, const char *word)
{
	while (*argv && strcmp(*argv, "--") != 0)
		argv++;
	for (; *argv; argv++) {
		const char *slash = strrchr(*argv, '/');

		if (strcmp(*argv, word) == 0 || (slash && strcmp(slash + 1, word) == 0))
			return true;
	}
	return false;
}

/* "--qemu=WORD", "--qemu WORD" if the command has that word, or "--qemu": the first. */
static void qemu_take(struct run_options *o, char *const *argv)
{
	const char *next = argv[optind];

	o->qemu_word = optarg;
	if (!optarg && next && next[0] != '-' && command_has(argv + optind + 1, next))
		o->qemu_word = argv[optind++];
	o->qemu_first = true;
}

static int option_take(struct run_options *o, int opt, char *const *argv)
{
	bool *flag = option_flag(o, opt);

	if (flag) {
		*flag = true;
		return CLI_GO_ON;
	}
	switch (opt) {
	case 'q':
		qemu_take(o, argv);
		return CLI_GO_ON;
	case 'H':
		return steering_take(o, optarg, &o->steers_host);
	case 'S':
		return steering_take(o, optarg, &o->steers);
	case 'w':
		if (!cli_parse_seconds(optarg, 0, 86400, &o->wait_ms))
			return CLI_GO_ON;
		return cli_misuse(&usage, "--wait %s: must be seconds, from 0 to 86400", optarg);
	default:
		return cli_usage_status(opt);
	}
}

/* Options that say different things of the same. */
static int options_check(const struct run_options *o)
{
	bool of_qemu = o->if_needed || o->all_multiqueue || o->no_probe || o->no_vhost ||
		       o->qemu_first || o->exact;

	if (!o->command[0])
		return cli_misuse(&usage, "no command given");
	if (o->on_demand && (of_qemu || o->steers || o->steers_host))
		return cli_misuse(&usage, "--on-demand goes with --optional, --stats, --wait and "
					  "--verbose alone");
	if (o->on_demand && o->wait_ms >= 0 && (o->wait_ms < 100 || o->wait_ms > 60000))
		return cli_misuse(&usage, "--wait: with --on-demand 0.1 to 60 seconds");
	if (o->steers && o->steers_host)
		return cli_misuse(&usage, "--steering and --host-steering exclude each other");
	if (o->steers && of_qemu)
		return cli_misuse(&usage,
				  "--steering is for a program that is no QEMU: it does not "
				  "go with options about QEMU");
	if (o->steers_host && o->all_multiqueue)
		return cli_misuse(
			&usage,
			"--host-steering turns rss off and --rss turns it on: give one of them");
	if (o->steers_host && o->no_vhost)
		return cli_misuse(&usage, "--host-steering works with vhost on: leave out "
					  "--no-vhost");
	if (o->exact && (o->no_probe || o->stats || o->steers_host))
		return cli_misuse(&usage, "--exact and %s exclude each other",
				  o->no_probe ? "--no-probe"
				  : o->stats  ? "--stats"
					      : "--host-steering");
	return CLI_GO_ON;
}

static int command_become(const struct run_options *o, const struct run_plan *plan)
{
	char **argv = plan->argv ? plan->argv : o->command;
	int r = run_sets_inherit(&plan->sets);

	if (r)
		return cli_fail(usage.name, "cannot let the fds be inherited: %s", strerror(-r));
	execvp(argv[0], argv);
	return cli_fail(usage.name, "%s: %s", argv[0], strerror(errno));
}

static int run(const struct run_options *o)
{
	struct run_plan plan = RUN_PLAN_INIT;
	int r = o->on_demand ? run_on_demand_plan(&plan, o)
		: o->steers  ? run_program_plan(&plan, o)
			     : run_qemu_plan(&plan, o);

	if (r && o->optional)
		cli_fail(usage.name, "warning: %s; going on without a steering set", plan.why);
	else if (r)
		cli_fail(usage.name, "%s", plan.why);
	if (r)
		run_sets_done(&plan.sets); /* a command that is run unchanged inherits none */
	if (!r || o->optional)
		r = command_become(o, &plan);
	run_sets_done(&plan.sets);
	qemu_argv_free(plan.argv);
	free(plan.why);
	return r;
}

int cmd_run(struct cli *cli, int argc, char **argv)
{
	struct run_options o = { .wait_ms = -1 };
	int opt, r;

	while ((opt = cli_getopt(&usage, argc, argv)) != -1) {
		r = option_take(&o, opt, argv);
		if (r != CLI_GO_ON)
			return r;
	}
	o.socket = cli->socket;
	o.command = argv + optind;
	r = options_check(&o);
	return r == CLI_GO_ON ? run(&o) : r;
}
