/* SPDX-License-Identifier: MIT */
/*
 * What every command shares: reading options, reporting errors, connecting.
 * It never ends the process and prints to stdout only what --help asks for.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/util/cli.h"
#include "client/cli/util/file.h"
#include "client/cli/util/mem.h"
#include "proto/codec.h"
#include "proto/rssb_proto.h"
#include "proto/util/connect_advice.h"
#include "proto/util/fd.h"

#define UID_OVERFLOW 65534u /* how uids of other user namespaces look here */

enum { DOMAIN_MAX = 64 };

char **cli_argv;

/* Options of every command, which rssb --help lists and a command's --help does not. */
static const struct option_row shared[] = {
	{ "socket", .argument = "PATH", OPTION_TEXT(struct cli, socket),
	  .help = "the broker's socket, before or after COMMAND\n"
		  "(default: $RSSB_SOCKET, else " RSSB_SOCKET_DEFAULT ")" },
	{ "version", .unlisted = 'V', .kind = OPTION_KIND_VERSION,
	  .help = "print the version, as rssb version does" },
	{ "help", .unlisted = 'h', .kind = OPTION_KIND_HELP },
	OPTION_END,
};

void cli_print_help(const struct command *c)
{
	option_table_print(stdout, &(struct option_table){ c->rows, NULL }, c->column);
	if (c->more) {
		option_table_print(stdout, &(struct option_table){ shared, NULL }, c->column);
		c->more();
	}
}

int cli_run(const struct command *c, struct cli *cli, int argc, char **argv)
{
	const struct option_table tables[] = { { c->rows, c->options }, { shared, cli }, { NULL } };
	char why[OPTION_WHY_MAX];
	int r;

	cli_argv = argv;
	r = option_table_read(tables, c->only_first, argc, argv, why);
	if (r < 0)
		return cli_misuse(c, "%s", why);
	if (r == 0 && c->no_words && optind < argc)
		return cli_misuse(c, "unexpected argument: %s", argv[optind]);
	if (r == 0)
		return c->run(cli, argc - optind, argv + optind);
	if (r == OPTION_HELP)
		cli_print_help(c);
	else
		puts("rssb " PACKAGE_VERSION);
	return CLI_OK;
}

int cli_fail_line(const char *what, char *why)
{
	fprintf(stderr, "rssb: %s: %s\n", what, text_sanitize(why));
	free(why);
	return CLI_FAILED;
}

int cli_fail_grant(const char *what, const char *grant, int error, const char *reason)
{
	const char *advice = "";

	if (error == -ENOENT)
		advice = " (rssb status lists yours; a restart of the broker ends all)";
	else if (error == -EOPNOTSUPP && strcmp(what, "top") == 0)
		advice = ": make one by rssb attach --stats or rssb run --stats";
	else if (error == -EOPNOTSUPP)
		advice = ": make one by rssb attach --managed";
	return cli_fail(what, "%s: %s%s", grant, reason, advice);
}

int cli_misuse_line(const struct command *command, char *why)
{
	const char *name = command->name;

	fprintf(stderr, "rssb: %s%s%s (see rssb %s%s--help)\n", name, *name ? ": " : "", why, name,
		*name ? " " : "");
	free(why);
	return CLI_USAGE;
}

int grant_name_parse(struct grant_name *ret, const char *text)
{
	const bool digits = !text[strspn(text, "0123456789")];
	uint64_t id;

	if (!digits && !rssb_label_valid(text))
		return -EINVAL;
	errno = 0;
	id = digits ? strtoull(text, NULL, 10) : 0;
	if (digits && (errno || !id))
		return -EINVAL;
	*ret = (struct grant_name){ id, digits ? NULL : text };
	return 0;
}

int cli_grant(const struct command *c, int argc, char **argv, struct grant_name *ret)
{
	if (argc != 1)
		return cli_misuse(c, "needs GRANT, an id or a label; rssb status lists yours");
	if (grant_name_parse(ret, argv[0]))
		return cli_misuse(c, "%s: neither a grant's id nor a label", argv[0]);
	return CLI_OK;
}

static const char *socket_path(const char *socket)
{
	const char *named = socket ? socket : getenv("RSSB_SOCKET");

	return named && *named ? named : RSSB_SOCKET_DEFAULT;
}

/* The domain that SELinux has this process in; "" without SELinux, and if nothing confines it. */
static void selinux_domain(char ret[static DOMAIN_MAX])
{
	char label[4 * DOMAIN_MAX] = "";

	file_read("/proc/self/attr/current", label, sizeof(label), NULL);
	/* user:role:domain:level.  A label of AppArmor has no colon. */
	if (sscanf(label, "%*[^:]:%*[^:]:%63[a-zA-Z0-9_]", ret) != 1 ||
	    strcmp(ret, "unconfined_t") == 0)
		ret[0] = '\0';
}

/* When it is not the mode that refuses. */
static char *lsm_advice(const char *domain)
{
	if (domain[0])
		return mem_format("SELinux has this process in %s: setsebool -P "
				  "virt_use_rss_broker on lets libvirt's VMs in, ausearch -m avc "
				  "-ts recent shows what was refused",
				  domain);
	return mem_format("its mode lets this user in: SELinux or AppArmor refuses (ausearch "
			  "-m avc -ts recent; journalctl -k --grep apparmor)");
}

/* By the rules of files alone; a capability may let in more. */
static bool mode_lets_in(const struct stat *st)
{
	if (st->st_uid == geteuid())
		return st->st_mode & S_IWUSR;
	if (group_member(st->st_gid))
		return st->st_mode & S_IWGRP;
	return st->st_mode & S_IWOTH;
}

char *cli_access_advice(const char *socket)
{
	const char *path = socket_path(socket);
	const struct passwd *user = getpwuid(geteuid());
	const struct group *group;
	struct stat st;
	char domain[DOMAIN_MAX];
	bool found = stat(path, &st) == 0;

	selinux_domain(domain);
	/* A policy that refuses the socket may hide its mode as well. */
	if (found ? mode_lets_in(&st) : domain[0] != '\0')
		return lsm_advice(domain);
	if (!found)
		return mem_format("this user may not enter the directory of %s", path);
	if (geteuid() == UID_OVERFLOW)
		return mem_format("users of any user namespace may have uid %u; rss-broker "
				  "--allow-user %u lets them in",
				  UID_OVERFLOW, UID_OVERFLOW);
	group = st.st_mode & S_IWGRP && st.st_gid ? getgrgid(st.st_gid) : NULL;
	if (!group)
		return mem_format("its mode is %04o and its owner uid %u: start rss-broker with "
				  "--allow-user, or make a group rss-broker and start it again",
				  st.st_mode & 07777, st.st_uid);
	return user ? mem_format("usermod -aG %s %s, then log in again", group->gr_name,
				 user->pw_name)
		    : mem_format("usermod -aG %s USER, then log in again", group->gr_name);
}

char *cli_connect_advice(int error, const char *socket)
{
	_cleanup_free_ char *access = error == -EACCES ? cli_access_advice(socket) : NULL;

	return access ? mem_format("; %s", access) : mem_format("%s", connect_advice(error));
}

const char *cli_kind_name(enum rssb_grant_kind kind)
{
	static const char *const names[] = { "?", "handoff", "program-only", "managed" };

	return (unsigned)kind < sizeof(names) / sizeof(names[0]) ? names[kind] : names[0];
}

void cli_closep(struct rssb **c)
{
	rssb_close(*c);
}

int cli_connect(const struct cli *cli, const char *what, struct rssb **ret)
{
	_cleanup_free_ char *advice = NULL;
	struct rssb *c = NULL;
	int r = rssb_connect(&c, cli->socket);

	if (r) {
		advice = cli_connect_advice(r, cli->socket);
		cli_fail(what, "%s%s", c ? rssb_reason(c) : strerror(-r), advice);
		rssb_close(c);
		return CLI_FAILED;
	}
	*ret = c;
	return CLI_OK;
}
