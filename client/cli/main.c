/* SPDX-License-Identifier: MIT */
/*
 * rssb, the command line client of rss-broker: global options and the table
 * of commands.  It runs as whoever calls it and needs no privilege.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/commands/commands.h"

static const struct command {
	const char *name;
	int (*run)(struct cli *cli, int argc, char **argv);
	const char *summary;
} commands[] = {
	{ "attach", cmd_attach, "put a steering program on a tap" },
	{ "balance", cmd_balance, "even out the queues of a managed grant" },
	{ "detach", cmd_detach, "take the steering program off a tap" },
	{ "doctor", cmd_doctor, "why RSS does not work, and what to do" },
	{ "export", cmd_export, "write the ELF bytes of a steering object" },
	{ "extract", cmd_extract, "take the steering object out of a QEMU" },
	{ "hash", cmd_hash, "the hash, the table entry and the queue of a flow" },
	{ "hotplug", cmd_hotplug, "plug a NIC with a steering set into a running VM" },
	{ "info", cmd_info, "what the broker is and which objects it has" },
	{ "qmp", cmd_qmp, "a QMP server with request-ebpf" },
	{ "release", cmd_release, "end a grant" },
	{ "run", cmd_run, "start QEMU with steering sets for its devices" },
	{ "status", cmd_status, "how the broker does, and the grants" },
	{ "top", cmd_top, "what a grant counts, live" },
	{ "unplug", cmd_unplug, "unplug such a NIC, and end its grant" },
	{ "update", cmd_update, "change the steering of a managed grant" },
};

static const struct option global_options[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "version", no_argument, NULL, 'V' },
	CLI_OPTIONS_END,
};

static const struct cli_usage global_usage = {
	.name = "",
	.shorts = "+:hV", /* '+': what follows the command is the command's */
	.options = global_options,
	.help = "usage: rssb [--socket PATH] COMMAND [ARG...]\n"
		"       rssb --help | --version\n"
		"\n"
		"Receive-side scaling for unprivileged virtual machines, from rss-broker.\n"
		"\n"
		"  --socket PATH  the broker's socket (default: $RSSB_SOCKET,\n"
		"                 else /run/rss-broker/rss-broker.sock)\n"
		"\n",
};

static void print_commands(void)
{
	printf("Commands (rssb COMMAND --help says more):\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].summary);
}

static int run_command(struct cli *cli, int argc, char **argv)
{
	if (argc < 1)
		return cli_misuse(&global_usage, "which command?");

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[0], commands[i].name) != 0)
			continue;
		optind = 0; /* the GNU way of starting over with another argv */
		return commands[i].run(cli, argc, argv);
	}
	return cli_misuse(&global_usage, "%s: no such command", argv[0]);
}

static int run(int argc, char **argv)
{
	struct cli cli = { 0 };
	int opt;

	while ((opt = cli_getopt(&global_usage, argc, argv)) != -1) {
		switch (opt) {
		case 's':
			cli.socket = optarg;
			break;
		case 'V':
			puts("rssb " PACKAGE_VERSION);
			return CLI_OK;
		case 'h':
			print_commands();
			/* fall through */
		default:
			return cli_usage_status(opt);
		}
	}
	return run_command(&cli, argc - optind, argv + optind);
}

/* What is opened later must not become stdin, stdout or stderr, here or in what is executed. */
static int stdio_open(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return -EBADF;
	return 0;
}

int main(int argc, char **argv)
{
	int status;

	if (stdio_open() || argc < 1)
		return CLI_USAGE;
	status = run(argc, argv);
	if ((fflush(stdout) || ferror(stdout)) && status == CLI_OK)
		return cli_fail("stdout", "%s", strerror(errno));
	return status;
}
