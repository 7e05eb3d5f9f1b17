/* SPDX-License-Identifier: MIT */
/* rssb qmp: a QMP server with request-ebpf, in front of the broker's EXPORT. */
#include <signal.h>
#include <unistd.h>

#include "client/cli/commands/commands.h"
#include "client/cli/qmp_server/conversation.h"
#include "client/cli/qmp_server/listen.h"
#include "client/cli/qmp_server/program.h"
#include "client/cli/qmp_server/server.h"
#include "proto/fd.h"

static const struct option options[] = {
	{ "stdio", no_argument, NULL, 'i' },
	{ "listen", required_argument, NULL, 'l' },
	CLI_OPTIONS_END,
};

static const struct cli_usage usage = {
	.name = "qmp",
	.shorts = ":h",
	.options = options,
	.help = "usage: rssb qmp [--stdio | --listen PATH]\n"
		"\n"
		"A QMP server with request-ebpf: what QEMU has said since 9.0, from the broker.\n"
		"Commands: qmp_capabilities query-version query-commands query-qmp-schema\n"
		"request-ebpf quit.\n"
		"\n"
		"  --stdio        one client, on standard input and output (the default)\n"
		"  --listen PATH  any number of clients, each served by a process, on a UNIX\n"
		"                 socket that is made there\n"
		"\n"
		"Started by a socket unit it serves the socket that it is given instead of PATH,\n"
		"with Accept=no and with Accept=yes.\n",
};

struct request {
	bool stdio;
	const char *path; /* NULL: no --listen */
};

/* CLI_GO_ON, or the status to end with. */
static int parse_options(int argc, char **argv, struct request *ret)
{
	int opt;

	while ((opt = cli_getopt(&usage, argc, argv)) != -1) {
		if (opt == 'i')
			ret->stdio = true;
		else if (opt == 'l')
			ret->path = optarg;
		else
			return cli_usage_status(opt);
	}
	if (optind < argc)
		return cli_misuse(&usage, "unexpected argument: %s", argv[optind]);
	if (ret->stdio && ret->path)
		return cli_misuse(&usage, "--stdio and --listen exclude each other");
	return CLI_GO_ON;
}

int cmd_qmp(struct cli *cli, int argc, char **argv)
{
	struct qmp_listener listener = QMP_LISTENER_INIT;
	struct request request = { 0 };
	_cleanup_fd_ int connection = -1;
	int status = parse_options(argc, argv, &request);

	if (status != CLI_GO_ON)
		return status;
	signal(SIGPIPE, SIG_IGN); /* a client that goes is an end, no death */
	if (!request.stdio)
		status = qmp_activation_take(&listener, &connection);
	if (status == CLI_GO_ON && request.path)
		status = qmp_listener_open(&listener, request.path);
	if (status == CLI_FAILED)
		return status;

	if (listener.fd >= 0) {
		qmp_serve(&listener, cli->socket);
	} else {
		struct qmp_source *source = qmp_source_new(cli->socket);
		const int in = connection >= 0 ? connection : STDIN_FILENO;

		qmp_converse(in, connection >= 0 ? connection : STDOUT_FILENO, source);
		qmp_source_free(source);
	}
	qmp_listener_done(&listener);
	return CLI_OK;
}
