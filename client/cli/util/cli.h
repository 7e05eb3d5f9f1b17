/* SPDX-License-Identifier: MIT */
/*
 * What every command shares: options, errors, a connection.  A command returns
 * the exit status: 0, 1 (it failed) or 2 (wrong usage), and says why in one line
 * on stderr.  Nothing here is ever run with a capability.
 */
#pragma once

#include <getopt.h>
#include <stdbool.h>

#include "client/cli/util/mem.h"
#include "client/include/rssb.h"
#include "proto/util/option_table.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* What the global options say. */
struct cli {
	const char *socket; /* NULL: $RSSB_SOCKET, else the default path */
};

/* How a person names a grant: as librssb takes it, id 0 with a label, or an id with NULL. */
struct grant_name {
	uint64_t id;
	const char *label; /* borrowed */
};

/* All digits are an id, all else a label.  -EINVAL: no grant can have either. */
int grant_name_parse(struct grant_name *ret, const char *text);

struct command {
	const char *name;	       /* "export" */
	const struct option_row *rows; /* its --help, in which its options are */
	int column;		       /* where --help begins to say what an option is for */
	void *options; /* what the rows fill, with the defaults; NULL: they fill nothing */
	int (*run)(struct cli *cli, int argc, char **argv); /* with the words that are left */
	bool only_first;    /* what follows the first other word belongs to another command */
	bool no_words;	    /* it takes options alone */
	void (*more)(void); /* rssb's own: prints the rest of the help */
};

/* Every command's options may be followed by --socket, which is stored in *cli. */
int cli_run(const struct command *command, struct cli *cli, int argc, char **argv);

/* The words whose options are being read, as optind is the next one's number. */
extern char **cli_argv;

void cli_print_help(const struct command *command);

/* One line on stderr, "rssb: what: why".  Takes why.  Returns CLI_FAILED. */
int cli_fail_line(const char *what, char *why);
#define cli_fail(what, ...) cli_fail_line(what, mem_format(__VA_ARGS__))

/* The same line of what is done, for --verbose. */
#define cli_tell(verbose, ...) ((verbose) ? (void)cli_fail(__VA_ARGS__) : (void)0)

/* As cli_fail(), with where help is to be found.  Takes why.  Returns CLI_USAGE. */
int cli_misuse_line(const struct command *command, char *why);
#define cli_misuse(command, ...) cli_misuse_line(command, mem_format(__VA_ARGS__))

/* Prints what librssb said of a grant that the user named so, with advice.  Returns CLI_FAILED. */
int cli_fail_grant(const char *what, const char *grant, int error, const char *reason);

/*
 * What to do after rssb_connect() failed with this error, to be printed after its reason; "":
 * unknown.  To be freed.
 */
char *cli_connect_advice(int error, const char *socket);

/* What to do so that this user can connect to a socket that refused it (EACCES).  To be freed. */
char *cli_access_advice(const char *socket);

/* The only word as the name of a grant, which *ret borrows.  0, or CLI_USAGE after saying why. */
int cli_grant(const struct command *command, int argc, char **argv, struct grant_name *ret);

/* "handoff", ...; "?" for an unknown one. */
const char *cli_kind_name(enum rssb_grant_kind kind);

void cli_closep(struct rssb **c);
#define _cleanup_connection_ __attribute__((cleanup(cli_closep)))

/* Connects to the broker; 0, or CLI_FAILED after saying why. */
int cli_connect(const struct cli *cli, const char *what, struct rssb **ret);
