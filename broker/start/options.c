/* SPDX-License-Identifier: MIT */
/* The command line of rss-broker.  Everything known of an option is its row. */
#include "broker/start/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "broker/common/log.h"
#include "broker/front/grant.h"
#include "broker/front/pool.h"
#include "broker/start/user_lookup.h"
#include "proto/util/option_table.h"

#define TEXT(x)	      #x
#define TEXT_OF(name) TEXT(name)

static int name_refuse(const char *option, const char *value, int err, char *why)
{
	snprintf(why, OPTION_WHY_MAX, "--%s %s: %s", option, value,
		 err == -E2BIG ? "at most " TEXT_OF(POLICY_NAMES_MAX) " may be given"
			       : "no such user or group");
	return err;
}

static int user_allow(void *o, const char *value, char *why)
{
	int err = policy_allow_user(&((struct options *)o)->front.policy, value);

	return err ? name_refuse("allow-user", value, err, why) : 0;
}

static int group_allow(void *o, const char *value, char *why)
{
	int err = policy_allow_group(&((struct options *)o)->front.policy, value);

	return err ? name_refuse("allow-group", value, err, why) : 0;
}

/* From LOG_ERR on. */
static const char *const log_levels[] = { "err", "warning", "notice", "info", "debug", NULL };

/* A number that --help shows with its default. */
#define NUMBER(member, from, to)                                                                   \
	.argument = "N", .show_default = true, OPTION_NUMBER(struct options, front.member, from, to)

static const struct option_row rows[] = {
	OPTION_PARAGRAPH(
		"Usage: rss-broker [OPTION]...\n"
		"\n"
		"Loads receive-side scaling programs for unprivileged virtio-net hosts and hands\n"
		"them out over a UNIX socket.  Takes a socket from LISTEN_FDS when there is one.\n"
		"Without --allow-user and --allow-group, root and the members of the "
		"group\n" BROKER_GROUP " may make requests.\n"
		"\n"),
	{ "socket", .argument = "PATH", OPTION_TEXT(struct options, socket),
	  .help = "listen here (" RSSB_SOCKET_DEFAULT ")" },
	{ "user", .argument = "NAME|UID", OPTION_TEXT(struct options, user),
	  .help = "change from root to this user (" BROKER_USER ")" },
	{ "allow-user", .argument = "NAME|UID", OPTION_CALL(user_allow),
	  .help = "let this user make requests; may be repeated" },
	{ "allow-group", .argument = "NAME|GID", OPTION_CALL(group_allow),
	  .help = "let this group make requests; may be repeated" },
	{ "objects", .argument = "DIR", OPTION_TEXT(struct options, objects),
	  .help = "offer each *.bpf.o of this directory, too" },
	{ "pool", NUMBER(pool, 1, POOL_MAX), .help = "sets kept ready, 1 to " TEXT_OF(POOL_MAX) },
	{ "no-perfmon", OPTION_FLAG(struct options, no_perfmon),
	  .help = "load with CAP_BPF alone: packets cost more" },
	{ "log-level", .argument = "LEVEL", OPTION_CHOICE(struct options, log_level, log_levels),
	  .help = "err, warning, notice, info, debug (info)" },
	{ "version", .kind = OPTION_KIND_VERSION, .help = "print the version" },
	{ "help", .kind = OPTION_KIND_HELP, .help = "print this" },
	OPTION_PARAGRAPH(
		"\n"
		"Limits.  An account is a uid, together with its label where a security module\n"
		"gives processes labels.  Root pays no tokens and may hold all that is left.\n"
		"\n"),
	{ "max-connections", NUMBER(limits.connections, 1, 512),
	  .help = "open connections, all clients together" },
	{ "max-unread", NUMBER(limits.unread, 1, 512),
	  .help = "replies that an account has yet to read" },
	{ "max-grants", NUMBER(limits.grants, 1, GRANTS_MAX),
	  .help = "live grants, all clients together" },
	{ "memory-percent", NUMBER(limits.memory_percent, 1, 100),
	  .help = "% of the memory limit that clients may use" },
	{ "memory", NUMBER(limits.memory_mib, 1, 1 << 20),
	  .help = "memory limit in MiB, if no cgroup has one" },
	{ "share", NUMBER(limits.share, 1, 1000), .help = "a uid may hold 1/N of what is left" },
	{ "ended-forgotten", NUMBER(limits.ended_kib, 1, 1 << 20),
	  .help = "KiB of ended grants forgotten in a minute" },
	{ "tokens", NUMBER(limits.tokens, 1, 1000000000),
	  .help = "tokens an account may spend at once" },
	{ "token-rate", NUMBER(limits.token_rate, 1, 1000000),
	  .help = "tokens an account gets back in a second" },
	{ "first-request-timeout", NUMBER(limits.first_request_ms, 10, 600000),
	  .help = "ms from connect() to the first request" },
	{ "read-reply-timeout", NUMBER(limits.read_reply_ms, 10, 600000),
	  .help = "ms within which a reply must be read" },
	OPTION_END,
};

static const struct options defaults = {
	.socket = RSSB_SOCKET_DEFAULT,
	.user = BROKER_USER,
	.front.limits = LIMITS_DEFAULT,
	.front.pool = 8,
	.log_level = LOG_INFO - LOG_ERR,
};

static int complain(const char *why)
{
	fprintf(stderr, "rss-broker: %s; see rss-broker --help\n", why);
	return -EINVAL;
}

int options_parse(struct options *ret, int argc, char **argv)
{
	struct options o = defaults;
	const struct option_table tables[] = { { rows, &o }, { NULL } };
	char why[OPTION_WHY_MAX];
	int r = option_table_read(tables, false, argc, argv, why);

	if (r == OPTION_HELP)
		option_table_print(stdout, &(struct option_table){ rows, (void *)&defaults }, 33);
	else if (r == OPTION_VERSION)
		puts("rss-broker " PACKAGE_VERSION);
	if (r)
		return r < 0 ? complain(why) : 1;
	if (optind < argc) {
		snprintf(why, sizeof(why), "%s: unexpected argument", argv[optind]);
		return complain(why);
	}
	*ret = o;
	ret->log_level += LOG_ERR;
	return 0;
}
