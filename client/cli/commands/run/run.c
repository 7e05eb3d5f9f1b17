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

int run_plan_fail(struct run_plan *plan, char *why)
{
	free(plan->why);
	plan->why = why;
	return CLI_FAILED;
}

/* Whether the command, which begins after "--", has this word or a file of this name. */
static bool command_has(char *const *argv, const char *word)
{
	while (*argv && strcmp(*argv, "--") != 0)
		argv++;
	while (*argv && strcmp(*argv, word) != 0 && strcmp(basename(*argv), word) != 0)
		argv++;
	return *argv;
}

static struct run_options options = { .wait_ms = -1 };

/* "--qemu=WORD", "--qemu WORD" if the command has that word, or "--qemu": the first. */
static int qemu_take(void *to, const char *word, char *why)
{
	struct run_options *o = to;
	const char *next = cli_argv[optind];

	o->qemu_word = word;
	if (!word && next && next[0] != '-' && command_has(cli_argv + optind + 1, next))
		o->qemu_word = cli_argv[optind++];
	o->qemu_first = true;
	return 0;
}

static const struct option_row rows[] = {
	OPTION_PARAGRAPH(
		"usage: rssb run [OPTION...] -- [PREFIX...] QEMU ARG...\n"
		"       rssb run --on-demand [OPTION...] -- COMMAND ARG...\n"
		"       rssb run [OPTION...] --host-steering STEERING -- [PREFIX...] QEMU ARG...\n"
		"       rssb run [OPTION...] --steering STEERING -- COMMAND ARG...\n"
		"\n"
		"Gets a steering set for every virtio-net device with rss on, adds it to the\n"
		"device as ebpf-rss-fds, and becomes the command.  Devices that have fds\n"
		"already stay as they are.  QEMU is the word that is an executable file named\n"
		"qemu-system-*, qemu-kvm or kvm.  The words before it (setpriv, bwrap, ip netns\n"
		"exec) are run as they are and have to let fds through: sudo does not.\n"
		"\n"),
	{ "on-demand", OPTION_FLAG(struct run_options, on_demand),
	  .help = "QEMU asks for a program itself, at start and at hotplug: it\n"
		  "is answered, and no argument is read or changed (goes with\n"
		  "--optional, --stats, --wait and --verbose)" },
	{ "optional", OPTION_FLAG(struct run_options, optional),
	  .help = "whatever fails: one warning, and the command unchanged" },
	{ "if-needed", OPTION_FLAG(struct run_options, if_needed),
	  .help = "no device that needs it is no error: the command unchanged" },
	{ "rss", OPTION_FLAG(struct run_options, all_multiqueue),
	  .help = "rss on where mq is on and rss is not mentioned" },
	{ "wait", .argument = "SECONDS", OPTION_MS(struct run_options, wait_ms, 0, 86400),
	  .help = "for a busy or restarting broker (default: 10; with\n"
		  "--optional 1 for one that is not there; with --on-demand 2,\n"
		  "in which the VM stands still)" },
	{ "exact", OPTION_FLAG(struct run_options, exact),
	  .help = "QEMU's own object, imported by rssb extract, and no other\n"
		  "(else the broker's own, if QEMU's is of the same ABI)" },
	{ "stats", OPTION_FLAG(struct run_options, stats),
	  .help = "the sets count packets, for rssb top" },
	{ "no-probe", OPTION_FLAG(struct run_options, no_probe),
	  .help = "do not ask QEMU for its property types first; then only\n"
		  "devices in JSON form can be given fds" },
	{ "no-vhost", OPTION_FLAG(struct run_options, no_vhost),
	  .help = "vhost off at devices whose set this QEMU would not use with\n"
		  "vhost on (10.1 and newer)" },
	{ "qemu", .argument = "[WORD]", OPTION_CALL(qemu_take),
	  .help = "this word of the command is QEMU, whatever its name\n"
		  "(without WORD: the first)" },
	{ "verbose", 'v', OPTION_FLAG(struct run_options, verbose), .help = "say what is done\n" },
	{ "host-steering", .argument = "STEERING", OPTION_TEXT(struct run_options, steers_host),
	  .help = "for guests that ask for no RSS: the tap of every virtio-net\n"
		  "device with mq on is steered so, and its rss turned off" },
	{ "steering", .argument = "STEERING", OPTION_TEXT(struct run_options, steers),
	  .help = "for any other program: it inherits one set, named by\n"
		  "RSSB_FDS=program=N,config=N,key=N,table=N,lease=N; a\n"
		  "multi-queue tap that it inherits is steered" },
	OPTION_PARAGRAPH("\n" STEERING_HELP("a random one")),
	OPTION_END,
};

/* Options that say different things of the same, and what STEERING says. */
static int options_check(struct run_options *o)
{
	const char *steering = o->steers ? o->steers : o->steers_host;
	char why[WHY_MAX];
	bool of_qemu = o->if_needed || o->all_multiqueue || o->no_probe || o->no_vhost ||
		       o->qemu_first || o->exact;

	if (!o->command[0])
		return cli_misuse(&cmd_run, "no command given");
	if (o->on_demand && (of_qemu || o->steers || o->steers_host))
		return cli_misuse(&cmd_run, "--on-demand goes with --optional, --stats, --wait and "
					    "--verbose alone");
	if (o->on_demand && o->wait_ms >= 0 && (o->wait_ms < 100 || o->wait_ms > 60000))
		return cli_misuse(&cmd_run, "--wait: with --on-demand 0.1 to 60 seconds");
	if (o->steers && o->steers_host)
		return cli_misuse(&cmd_run, "--steering and --host-steering exclude each other");
	if (o->steers && of_qemu)
		return cli_misuse(&cmd_run,
				  "--steering is for a program that is no QEMU: it does not "
				  "go with options about QEMU");
	if (o->steers_host && o->all_multiqueue)
		return cli_misuse(
			&cmd_run,
			"--host-steering turns rss off and --rss turns it on: give one of them");
	if (o->steers_host && o->no_vhost)
		return cli_misuse(&cmd_run, "--host-steering works with vhost on: leave out "
					    "--no-vhost");
	if (o->exact && (o->no_probe || o->stats || o->steers_host))
		return cli_misuse(&cmd_run, "--exact and %s exclude each other",
				  o->no_probe ? "--no-probe"
				  : o->stats  ? "--stats"
					      : "--host-steering");
	if (steering &&
	    (steering_parse(&o->steering, steering, why) || steering_complete(&o->steering, why)))
		return cli_misuse(&cmd_run, "%s", why);
	return CLI_OK;
}

static int command_become(const struct run_options *o, const struct run_plan *plan)
{
	char **argv = plan->argv ? plan->argv : o->command;
	int r = run_sets_inherit(&plan->sets);

	if (r)
		return cli_fail(cmd_run.name, "cannot let the fds be inherited: %s", strerror(-r));
	execvp(argv[0], argv);
	return cli_fail(cmd_run.name, "%s: %s", argv[0], strerror(errno));
}

static int run(const struct run_options *o)
{
	struct run_plan plan = { 0 };
	int r = o->on_demand ? run_on_demand_plan(&plan, o)
		: o->steers  ? run_program_plan(&plan, o)
			     : run_qemu_plan(&plan, o);

	if (r && o->optional)
		cli_fail(cmd_run.name, "warning: %s; going on without a steering set", plan.why);
	else if (r)
		cli_fail(cmd_run.name, "%s", plan.why);
	if (r)
		run_sets_done(&plan.sets); /* a command that is run unchanged inherits none */
	if (!r || o->optional)
		r = command_become(o, &plan);
	run_sets_done(&plan.sets);
	qemu_argv_free(plan.argv);
	free(plan.why);
	return r;
}

static int run_run(struct cli *cli, int argc, char **argv)
{
	int r;

	options.socket = cli->socket;
	options.command = argv;
	r = options_check(&options);
	return r ? r : run(&options);
}

const struct command cmd_run = { "run", rows, 18, &options, run_run, .only_first = true };
