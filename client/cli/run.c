/* SPDX-License-Identifier: MIT */
/* rssb run: plans a command with steering sets, and becomes it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "qemu_args.h"
#include "run.h"

static const struct option options[] = {
	{ "optional", no_argument, NULL, 'o' },	  { "if-needed", no_argument, NULL, 'i' },
	{ "wait", required_argument, NULL, 'w' }, { "rss", no_argument, NULL, 'r' },
	{ "no-probe", no_argument, NULL, 'n' },	  { "qemu", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },	  CLI_OPTIONS_END,
};

static const struct cli_usage usage = {
	.name = "run",
	.shorts = "+:hv", /* '+': the command's own options are its own */
	.options = options,
	.help = "usage: rssb run [OPTION...] -- QEMU ARG...\n"
		"       rssb run [OPTION...] -- PREFIX... QEMU ARG...\n"
		"\n"
		"Gets a steering set for every virtio-net device with rss on, adds it to the\n"
		"device as ebpf-rss-fds, and becomes the command.  Devices that have fds\n"
		"already stay as they are.  QEMU is the first word whose file name is\n"
		"qemu-system-*, qemu-kvm or kvm; words before it (setpriv, bwrap, ip netns\n"
		"exec) are run as they are and have to let fds through.\n"
		"\n"
		"  --optional      whatever fails: one warning, and the command unchanged\n"
		"  --if-needed     no device with rss on is no error: the command unchanged\n"
		"  --rss           rss on where mq is on and rss is not mentioned\n"
		"  --wait SECONDS  for a busy or restarting broker (default: 10)\n"
		"  --no-probe      do not ask QEMU for its property types first; then only\n"
		"                  devices in JSON form can be given fds\n"
		"  --qemu          the first word is QEMU, whatever its name\n"
		"  -v, --verbose   say what is done\n",
};

int run_fail(struct run_plan *plan, const char *format, ...)
{
	va_list args;
	char *why;

	va_start(args, format);
	if (vasprintf(&why, format, args) < 0)
		why = NULL;
	va_end(args);
	free(plan->why);
	plan->why = mem_must(why);
	return CLI_FAILED;
}

void run_tell(const struct run_options *o, const char *format, ...)
{
	va_list args;

	if (!o->verbose)
		return;
	fputs("rssb: run: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* 0, or -EINVAL. */
static int seconds_parse(const char *text, int *ret_ms)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0) || seconds > 86400)
		return -EINVAL;
	*ret_ms = (int)(seconds * 1000);
	return 0;
}

/* The flag that an option sets; NULL: it has a value. */
static bool *option_flag(struct run_options *o, int opt)
{
	switch (opt) {
	case 'i':
		return &o->if_needed;
	case 'n':
		return &o->no_probe;
	case 'o':
		return &o->optional;
	case 'q':
		return &o->qemu_first;
	case 'r':
		return &o->all_multiqueue;
	case 'v':
		return &o->verbose;
	default:
		return NULL;
	}
}

static int option_take(struct run_options *o, int opt)
{
	bool *flag = option_flag(o, opt);

	if (flag)
		*flag = true;
	else if (seconds_parse(optarg, &o->wait_ms))
		return cli_misuse(&usage, "--wait %s: not a number of seconds, at most 86400",
				  optarg);
	return CLI_OK;
}

static int command_become(const struct run_options *o, const struct run_plan *plan)
{
	char **argv = plan->argv ? plan->argv : o->command;
	int r = run_sets_inherit(&plan->sets);

	if (r)
		return cli_fail(usage.name, "fds to be inherited: %s", strerror(-r));
	execvp(argv[0], argv);
	return cli_fail(usage.name, "%s: %s", argv[0], strerror(errno));
}

static int run(const struct run_options *o)
{
	struct run_plan plan = RUN_PLAN_INIT;
	int r = run_qemu_plan(&plan, o);

	if (r && o->optional)
		cli_fail(usage.name, "warning: %s; going on without", plan.why);
	else if (r)
		cli_fail(usage.name, "%s", plan.why);
	if (!r || o->optional)
		r = command_become(o, &plan);
	run_sets_done(&plan.sets);
	qemu_argv_free(plan.argv);
	free(plan.why);
	return r;
}

int cmd_run(struct cli *cli, int argc, char **argv)
{
	struct run_options o = { .socket = cli->socket, .wait_ms = 10000 };
	int opt, r;

	while ((opt = cli_getopt(&usage, argc, argv)) != -1) {
		if (opt == 'h' || opt == '?' || opt == ':')
			return cli_usage_status(opt);
		r = option_take(&o, opt);
		if (r)
			return r;
	}
	o.command = argv + optind;
	if (!o.command[0])
		return cli_misuse(&usage, "which command?");
	return run(&o);
}
