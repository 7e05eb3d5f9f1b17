/* SPDX-License-Identifier: MIT */
/*
 * What every command shares: options, errors, a connection.  A command returns
 * the exit status: 0, 1 (it failed) or 2 (wrong usage), and says why in one line
 * on stderr.  Nothing here is ever run with a capability.
 */
#pragma once

#include <getopt.h>
#include <stdbool.h>

#include "client/include/rssb.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

#define CLI_GO_ON (-1) /* of functions that may also end the command with a status */

/* What the global options say. */
struct cli {
	const char *socket; /* NULL: $RSSB_SOCKET, else the default path */
};

/* A command as its own --help and error messages know it. */
struct cli_usage {
	const char *name;	      /* "export" */
	const char *shorts;	      /* getopt's, opened by ':' or "+:"; 'h' is --help */
	const struct option *options; /* ended by CLI_OPTIONS_END */
	const char *help;	      /* what --help prints */
	void (*more)(void);	      /* prints more of it; NULL: that is all */
};

#define CLI_OPTIONS_END                                                                            \
	{ "help", no_argument, NULL, 'h' },                                                        \
	{                                                                                          \
		NULL, 0, NULL, 0                                                                   \
	}

/* A command's options, ended by a row without a name, may be followed by --socket and --version. */
void cli_global_options(struct cli *cli);

/*
 * The next option, or -1 after the last.  The global ones it takes itself: cli->socket is right
 * after the last.  Having said what is to be said it returns 'h' after --help and --version and
 * '?' after an option that is none; a command then ends with cli_usage_status().
 */
int cli_getopt(const struct cli_usage *usage, int argc, char **argv);
int cli_usage_status(int opt);

/* One line on stderr, "rssb: what: why".  Returns CLI_FAILED. */
int cli_fail(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same line of what is done, for --verbose. */
void cli_tell(bool verbose, const char *what, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* As cli_fail(), with where help is to be found.  Returns CLI_USAGE. */
int cli_misuse(const struct cli_usage *usage, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Seconds, fractions too, as milliseconds.  0, or -EINVAL if out of range. */
int cli_parse_seconds(const char *text, double min, double max, int *ret_ms);

/* What the broker said of a grant, as its user named it.  Returns CLI_FAILED. */
int cli_fail_grant(const char *what, const char *grant, int error, const char *reason);

/* What helps when rssb_connect() failed so, to follow its reason; "" if nobody knows.  To be freed.
 */
char *cli_connect_cure(int error, const char *socket);

/* What lets this user connect to a socket that refused it (EACCES).  To be freed. */
char *cli_access_cure(const char *socket);

/* Connects to the broker; 0, or CLI_FAILED after saying why. */
int cli_connect(const struct cli *cli, const char *what, struct rssb **ret);
