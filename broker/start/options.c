/* SPDX-License-Identifier: MIT */
/* The command line of rss-broker.  Everything known of an option is its row. */
#include "broker/start/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/common/log.h"
#include "broker/front/pool.h"
#include "broker/start/policy_names.h"

static int set_socket(struct options *o, const char *value)
{
	o->socket = value;
	return 0;
}

static int set_objects(struct options *o, const char *value)
{
	o->objects = value;
	return 0;
}

static int set_user(struct options *o, const char *value)
{
	o->user = value;
	return 0;
}

static int add_user(struct options *o, const char *value)
{
	return policy_allow_user(&o->front.policy, value);
}

static int add_group(struct options *o, const char *value)
{
	return policy_allow_group(&o->front.policy, value);
}

static int set_pool(struct options *o, const char *value)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end || n < 1 || n > POOL_MAX)
		return -ERANGE;
	o->front.pool = (unsigned)n;
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
	{ "socket", "PATH", set_socket, "listen here (" RSSB_SOCKET_DEFAULT ")" },
	{ "user", "NAME|UID", set_user, "change from root to this user (" BROKER_USER ")" },
	{ "allow-user", "NAME|UID", add_user, "let this user make requests; may be repeated" },
	{ "allow-group", "NAME|GID", add_group, "let this group make requests; may be repeated" },
	{ "objects", "DIR", set_objects, "offer each *.bpf.o of this directory, too" },
	{ "pool", "N", set_pool, "sets kept ready, 1 to 64 (8)" },
	{ "no-perfmon", NULL, set_no_perfmon, "load with CAP_BPF alone: packets cost more" },
	{ "log-level", "LEVEL", set_log_level, "err, warning, notice, info, debug (info)" },
	{ "version", NULL, print_version, "print the version" },
	{ "help", NULL, print_help, "print this" },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))
/* getopt's values, above what it returns for itself, such as '?'; each option its
 * own, else an abbreviation of two is taken for the first of them. */
#define ROWS_AT	  256
#define LIMITS_AT 512

static void print_row(const char *name, const char *argument, const char *help)
{
	char left[40];

	snprintf(left, sizeof(left), "--%s%s%s", name, argument ? " " : "", argument ?: "");
	printf("  %-29s  %s\n", left, help);
}

static int print_help(struct options *o, const char *value)
{
	const struct limits defaults = LIMITS_DEFAULT;

	puts("Usage: rss-broker [OPTION]...\n"
	     "\n"
	     "Loads receive-side scaling programs for unprivileged virtio-net hosts and hands\n"
	     "them out over a UNIX socket.  Takes a socket from LISTEN_FDS when there is one.\n"
	     "Without --allow-user and --allow-group, root and the members of the "
	     "group\n" BROKER_GROUP " may make requests.\n");
	for (size_t i = 0; i < ROWS; i++)
		print_row(rows[i].name, rows[i].argument, rows[i].help);
	puts("\nLimits.  An account is a uid, together with its label where a security module\n"
	     "gives processes labels.  Root pays no tokens and may hold all that is left.\n");
	for (const struct limit_row *row = limit_rows; row->name; row++) {
		char help[160];

		snprintf(help, sizeof(help), "%s (%u)", row->help, limit_get(&defaults, row));
		print_row(row->name, "N", help);
	}
	return 1;
}

#define TEXT(x)	      #x
#define TEXT_OF(name) TEXT(name)

static const char *value_error(int err)
{
	switch (err) {
	case -ENOENT:
		return "no such user or group";
	case -E2BIG:
		return "at most " TEXT_OF(POLICY_NAMES_MAX) " may be given";
	case -ERANGE:
		return "must be a number from 1 to " TEXT_OF(POOL_MAX);
	default:
		return "must be err, warning, notice, info or debug";
	}
}

static int complain(const char *name, const char *value, int err)
{
	fprintf(stderr, "rss-broker: --%s %s: %s; see rss-broker --help\n", name, value,
		value_error(err));
	return -EINVAL;
}

static int apply_row(struct options *o, const struct row *row, const char *value)
{
	int err = row->apply(o, value);

	return err < 0 ? complain(row->name, value, err) : err;
}

static int apply_limit(struct options *o, const struct limit_row *row, const char *value)
{
	if (!limit_set(&o->front.limits, row, value))
		return 0;
	fprintf(stderr, "rss-broker: --%s %s: not a number from %u to %u; see rss-broker --help\n",
		row->name, value, row->min, row->max);
	return -EINVAL;
}

/* What getopt could not make sense of. */
static int complain_word(const char *word, int c)
{
	fprintf(stderr, "rss-broker: %s: %s; see rss-broker --help\n", word,
		c == ':'	    ? "needs a value"
		: optopt >= ROWS_AT ? "takes no value"
				    : "unknown or ambiguous option");
	return -EINVAL;
}

/* One table for getopt: the rows, then the limits. */
static void options_for_getopt(struct option ret[], size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < ROWS; i++)
		ret[n++] = (struct option){ rows[i].name,
					    rows[i].argument ? required_argument : no_argument,
					    NULL, ROWS_AT + (int)i };
	for (size_t i = 0; limit_rows[i].name && n + 1 < max; i++)
		ret[n++] = (struct option){ limit_rows[i].name, required_argument, NULL,
					    LIMITS_AT + (int)i };
	ret[n] = (struct option){ 0 };
}

static int apply(struct options *o, int c, const char *value)
{
	if (c >= LIMITS_AT)
		return apply_limit(o, &limit_rows[c - LIMITS_AT], value);
	if (c >= ROWS_AT && c < ROWS_AT + (int)ROWS)
		return apply_row(o, &rows[c - ROWS_AT], value);
	return -EINVAL;
}

int options_parse(struct options *ret, int argc, char **argv)
{
	struct option table[64];
	struct options o = {
		.socket = RSSB_SOCKET_DEFAULT,
		.user = BROKER_USER,
		.front.limits = LIMITS_DEFAULT,
		.front.pool = 8,
		.perfmon = true,
		.log_level = LOG_INFO,
	};
	int c, err;

	options_for_getopt(table, sizeof(table) / sizeof(table[0]));
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", table, NULL)) != -1) {
		if (c == '?' || c == ':')
			return complain_word(argv[optind - 1], c);
		err = apply(&o, c, optarg);
		if (err)
			return err;
	}
	if (optind < argc) {
		fprintf(stderr, "rss-broker: %s: unexpected argument; see rss-broker --help\n",
			argv[optind]);
		return -EINVAL;
	}
	*ret = o;
	return 0;
}
