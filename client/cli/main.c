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
#include "proto/rssb_proto.h"

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
	{ "unplug", cmd_unplug, "unplug a NIC of rssb hotplug, and end its grant" },
	{ "update", cmd_update, "change the steering of a managed grant" },
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_commands(void)
{
	printf("\nCommands (rssb help COMMAND says more):\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].summary);
}

static const struct option_row global_rows[] = {
	OPTION_PARAGRAPH(
		"usage: rssb [--socket PATH] COMMAND [ARG...]\n"
		"       rssb help [COMMAND]\n"
		"       rssb version\n"
		"\n"
		"Receive-side scaling for unprivileged virtual machines, from rss-broker.\n"
		"\n"),
	OPTION_END,
};

static const struct cli_usage global_usage = {
	.name = "",
	.rows = global_rows,
	.column = 17,
	.only_first = true,
	.more = print_commands,
};

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

static const char *command_name(size_t i, const void *ctx)
{
	static const char *const more[] = { "help", "version", NULL };

	return i < N_COMMANDS ? commands[i].name : more[i - N_COMMANDS];
}

static int no_command(const char *word)
{
	const char *meant = suggest(word, command_name, NULL);

	if (meant)
		return cli_misuse(&global_usage, "%s: no such command; did you mean %s?", word,
				  meant);
	return cli_misuse(&global_usage, "%s: no such command", word);
}

/* "help COMMAND" is "COMMAND --help". */
static int help(struct cli *cli, int argc, char **argv)
{
	const struct command *command = argc > 1 ? command_find(argv[1]) : NULL;
	char *words[] = { argv[1], (char *)"--help", NULL };

	if (argc < 2) {
		cli_print_help(&global_usage);
		return CLI_OK;
	}
	return command ? command->run(cli, 2, words) : no_command(argv[1]);
}

static int run_command(struct cli *cli, int argc, char **argv)
{
	const struct command *command = argc < 1 ? NULL : command_find(argv[0]);

	if (argc < 1)
		return cli_misuse(&global_usage, "no command given");
	if (command)
		return command->run(cli, argc, argv);
	if (strcmp(argv[0], "help") == 0)
		return help(cli, argc, argv);
	if (strcmp(argv[0], "version") != 0)
		return no_command(argv[0]);
	puts("rssb " PACKAGE_VERSION);
	return CLI_OK;
}

static int run(int argc, char **argv)
{
	struct cli cli = { 0 };
	int status;

	cli_global_options(&cli);
	status = cli_options(&global_usage, NULL, argc, argv);
	return status == CLI_GO_ON ? run_command(&cli, argc - optind, argv + optind) : status;
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
