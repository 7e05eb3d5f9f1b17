/* SPDX-License-Identifier: MIT */
/* rssb qmp: a QMP server with request-ebpf, in front of the broker's EXPORT. */
#include <signal.h>
#include <unistd.h>

#include "client/cli/commands/commands.h"
#include "client/cli/qmp_server/client.h"
#include "client/cli/qmp_server/listen.h"
#include "client/cli/qmp_server/server.h"
#include "proto/util/fd.h"

static struct request {
	bool stdio;
	const char *path; /* NULL: no --listen */
} options;

static const struct option_row rows[] = {
	OPTION_PARAGRAPH(
		"usage: rssb qmp [--stdio | --listen PATH]\n"
		"\n"
		"A QMP server with request-ebpf: what QEMU has said since 9.0, from the broker.\n"
		"Commands: qmp_capabilities query-version query-commands query-qmp-schema\n"
		"request-ebpf quit.\n"
		"\n"),
	{ "stdio", OPTION_FLAG(struct request, stdio),
	  .help = "one client, on standard input and output (the default)" },
	{ "listen", .argument = "PATH", OPTION_TEXT(struct request, path),
	  .help = "any number of clients, each served by a process, on a UNIX\n"
		  "socket that is made there" },
	OPTION_PARAGRAPH(
		"\n"
		"Started by a socket unit it serves the socket that it is given instead of PATH,\n"
		"with Accept=no and with Accept=yes.\n"),
	OPTION_END,
};

static int qmp_run(struct cli *cli, int argc, char **argv)
{
	struct qmp_listener listener = QMP_LISTENER_INIT;
	_cleanup_fd_ int connection = -1;
	int status = CLI_OK;

	if (options.stdio && options.path)
		return cli_misuse(&cmd_qmp, "--stdio and --listen exclude each other");
	signal(SIGPIPE, SIG_IGN); /* a client that hangs up must not end this process */
	if (!options.stdio)
		status = qmp_activation_take(&listener, &connection);
	if (!status && options.path && listener.fd < 0 && connection < 0)
		status = qmp_listener_open(&listener, options.path);
	if (status)
		return status;

	if (listener.fd >= 0) {
		qmp_serve(&listener, cli->socket);
	} else {
		const int in = connection >= 0 ? connection : STDIN_FILENO;

		qmp_client_serve(in, connection >= 0 ? connection : STDOUT_FILENO, cli->socket);
	}
	qmp_listener_done(&listener);
	return CLI_OK;
}

const struct command cmd_qmp = { "qmp", rows, 17, &options, qmp_run, .no_words = true };
