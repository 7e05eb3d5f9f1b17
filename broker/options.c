/* SPDX-License-Identifier: MIT */
/* The command line of rss-broker.  Everything known of an option is its row. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "pool.h"

static int set_socket(struct options *o, const char *value)
{
	o->socket = value;
	return 0;
}

static int set_user(struct options *o, const char *value)
{
	o->user = value;
	return 0;
}

static int add_user(struct options *o, const char *value)
{
	return policy_allow_user(&o->policy, value);
}

static int add_group(struct options *o, const char *value)
{
	return policy_allow_group(&o->policy, value);
}

static int set_pool(struct options *o, const char *value)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end || n < 1 || n > POOL_MAX)
		return -ERANGE;
	o->pool = (unsigned)n;
	return 0;
}

static int set_no_perfmon(struct options *o, const char *value)
{
	o->perfmon = false;
	return 0;
}

static int set_log_level(struct options *o, const char *value)
{
	o->log_level = log_level_parse(value);
	return o->log_level < 0 ? -EINVAL : 0;
}

static int print_version(struct options *o, const char *value)
{
	puts("rss-broker " PACKAGE_VERSION);
	return 1;
}

static int print_help(struct options *o, const char *value);

static const struct row {
	const char *name, *argument;
	int (*apply)(struct options *, const char *value);
	const char *help;
} rows[] = {
	{ "socket", "PATH", set_socket, "listen here (default " RSSB_SOCKET_DEFAULT ")" },
	{ "user", "NAME|UID", set_user, "change to this user (default " BROKER_USER ")" },
	{ "allow-user", "NAME|UID", add_user, "let this user make requests; may be repeated" },
	{ "allow-group", "NAME|GID", add_group,
	  "let its members make requests; may be repeated" },
	{ "pool", "N", set_pool, "sets kept ready, 1 to 64 (default 8)" },
	{ "no-perfmon", NULL, set_no_perfmon, "load with CAP_BPF alone: packets cost more" },
	{ "log-level", "LEVEL", set_log_level,
	  "err, warning, notice, info or debug (default info)" },
	{ "version", NULL, print_version, "print the version" },
	{ "help", NULL, print_help, "print this" },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static int print_help(struct options *o, const char *value)
{
	puts("Usage: rss-broker [OPTION]...\n"
	     "\n"
	     "Loads receive-side scaling programs for unprivileged virtio-net hosts and hands\n"
	     "them out over a UNIX socket.  Takes a socket from LISTEN_FDS when there is one.\n"
	     "Without --allow-user and --allow-group, root and the members of the "
	     "group\n" BROKER_GROUP " may make requests.\n");
	for (size_t i = 0; i < ROWS; i++) {
		char left[32];

		snprintf(left, sizeof(left), "--%s%s%s", rows[i].name, rows[i].argument ? " " : "",
			 rows[i].argument ? rows[i].argument : "");
		printf("  %-22s  %s\n", left, rows[i].help);
	}
	return 1;
}

static const char *value_error(int err)
{
	switch (err) {
	case -ENOENT:
		return "no such user or group";
	case -E2BIG:
		return "too many";
	case -ERANGE:
		return "out of range";
	default:
		return "not understood";
	}
}

static int apply(struct options *o, const struct row *row, const char *value)
{
	int err = row->apply(o, value);

	if (err < 0) {
		fprintf(stderr, "rss-broker: --%s %s: %s; see rss-broker --help\n", row->name,
			value, value_error(err));
		return -EINVAL;
	}
	return err;
}

#define FIRST_VALUE 256 /* above what getopt returns for itself */

static void options_for_getopt(struct option ret[ROWS + 1])
{
	memset(ret, 0, (ROWS + 1) * sizeof(*ret));
	for (size_t i = 0; i < ROWS; i++) {
		ret[i].name = rows[i].name;
		ret[i].has_arg = rows[i].argument ? required_argument : no_argument;
		/* Else getopt takes an abbreviation of two options for the first of them. */
		ret[i].val = FIRST_VALUE + (int)i;
	}
}

int options_parse(struct options *ret, int argc, char **argv)
{
	struct option table[ROWS + 1];
	struct options o = {
		.socket = RSSB_SOCKET_DEFAULT,
		.user = BROKER_USER,
		.pool = 8,
		.perfmon = true,
		.log_level = LOG_INFO,
	};
	int c, err;

	options_for_getopt(table);
	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		err = c < FIRST_VALUE ? -EINVAL : apply(&o, &rows[c - FIRST_VALUE], optarg);
		if (err)
			return err;
	}
	if (optind < argc) {
		fprintf(stderr, "rss-broker: %s: not an option; see rss-broker --help\n",
			argv[optind]);
		return -EINVAL;
	}
	*ret = o;
	return 0;
}
