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

static const struct {
	const struct command *command;
	const char *summary;
} commands[] = {
	{ &cmd_attach, "put a steering program on a tap" },
	{ &cmd_balance, "even out the queues of a managed grant" },
	{ &cmd_detach, "take the steering program off a tap" },
	{ &cmd_doctor, "why RSS does not work, and what to do" },
	{ &cmd_export, "write the ELF bytes of a steering object" },
	{ &cmd_extract, "take the steering object out of a QEMU" },
	{ &cmd_hash, "the hash, the table entry and the queue of a flow" },
	{ &cmd_hotplug, "plug a NIC with a steering set into a running VM" },
	{ &cmd_info, "what the broker is and which objects it has" },
	{ &cmd_qmp, "a QMP server with request-ebpf" },
	{ &cmd_release, "end a grant" },
	{ &cmd_run, "start QEMU with steering sets for its devices" },
	{ &cmd_status, "how the broker does, and the grants" },
	{ &cmd_top, "what a grant counts, live" },
	{ &cmd_unplug, "unplug a NIC of rssb hotplug, and end its grant" },
	{ &cmd_update, "change the steering of a managed grant" },
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_commands(void)
{
	printf("\nCommands (rssb help COMMAND says more):\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		printf("  %-10s %s\n", commands[i].command->name, commands[i].summary);
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

static int run(struct cli *cli, int argc, char **argv);

static const struct command rssb = {
	.name = "",
	.rows = global_rows,
	.column = 17,
	.only_first = true,
	.more = print_commands,
	.run = run,
};

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(name, commands[i].command->name) == 0)
			return commands[i].command;
	return NULL;
}

static const char *command_name(size_t i, const void *ctx)
{
	static const char *const more[] = { "help", "version", NULL };

	return i < N_COMMANDS ? commands[i].command->name : more[i - N_COMMANDS];
}

static int no_command(const char *word)
{
	const char *meant = suggest(word, command_name, NULL);

	if (meant)
		return cli_misuse(&rssb, "%s: no such command; did you mean %s?", word, meant);
	return cli_misuse(&rssb, "%s: no such command", word);
}

/* "help COMMAND" is "COMMAND --help". */
static int help(struct cli *cli, int argc, char **argv)
{
	const struct command *command = argc > 1 ? command_find(argv[1]) : NULL;
	char *words[] = { argv[1], (char *)"--help", NULL };

	if (argc < 2) {
		cli_print_help(&rssb);
		return CLI_OK;
	}
	return command ? cli_run(command, cli, 2, words) : no_command(argv[1]);
}

static int run(struct cli *cli, int argc, char **argv)
{
	const struct command *command = argc < 1 ? NULL : command_find(argv[0]);

	if (argc < 1)
		return cli_misuse(&rssb, "no command given");
	if (command)
		return cli_run(command, cli, argc, argv);
	if (strcmp(argv[0], "help") == 0)
		return help(cli, argc, argv);
	if (strcmp(argv[0], "version") != 0)
		return no_command(argv[0]);
	puts("rssb " PACKAGE_VERSION);
	return CLI_OK;
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
	struct cli cli = { 0 };
	int status;

	if (stdio_open() || argc < 1)
		return CLI_USAGE;
	status = cli_run(&rssb, &cli, argc, argv);
	if ((fflush(stdout) || ferror(stdout)) && status == CLI_OK)
		return cli_fail("stdout", "%s", strerror(errno));
	return status;
}
