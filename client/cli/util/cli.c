/* SPDX-License-Identifier: MIT */
/*
 * What every command shares: reading options, reporting errors, connecting.
 * It never ends the process and prints to stdout only what --help asks for.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/util/cli.h"
#include "client/cli/util/mem.h"
#include "client/cli/util/sanitize.h"
#include "client/cli/util/suggest.h"
#include "proto/cure.h"
#include "proto/rssb_proto.h"

#define UID_OVERFLOW 65534u /* anybody of another user namespace: no group lets it in */

enum { OPTIONS_MAX = 32, OPT_SOCKET = 0x1000, OPT_VERSION };

static struct cli *global; /* where --socket goes that follows the command */

void cli_global_options(struct cli *cli)
{
	global = cli;
}

static const struct option shared[] = {
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "version", no_argument, NULL, OPT_VERSION },
	CLI_OPTIONS_END,
};

/* The command's options and then the shared ones. */
static void options_join(struct option *ret, const struct option *own)
{
	size_t n = 0;

	for (; own[n].name && strcmp(own[n].name, "help") != 0; n++)
		ret[n] = own[n];
	memcpy(ret + n, shared, sizeof(shared));
}

static const char *option_name(size_t i, const void *ctx)
{
	return ((const struct option *)ctx)[i].name;
}

/* What is wrong with a long option: getopt_long() does not tell. */
static int long_option_error(const struct cli_usage *usage, const struct option *options,
			     const char *word)
{
	const size_t len = strcspn(word + 2, "=");
	_cleanup_free_ char *name = mem_format("%.*s", (int)len, word + 2);
	const char *meant = suggest(name, option_name, options);
	size_t alike = 0;

	for (const struct option *o = options; o->name; o++)
		alike += strncmp(o->name, name, len) == 0;
	if (alike > 1)
		return cli_misuse(usage, "--%s: more than one option begins with this", name);
	if (alike)
		return cli_misuse(usage, "--%s: takes no value", name);
	if (meant)
		return cli_misuse(usage, "--%s: no such option; did you mean --%s?", name, meant);
	return cli_misuse(usage, "--%s: no such option", name);
}

static int option_error(const struct cli_usage *usage, const struct option *options, int opt,
			char **argv)
{
	const char *word = argv[optind - 1];

	/* Of a short option getopt tells the letter, of a long one the word. */
	if (word[0] == '-' && word[1] == '-' && opt == ':')
		return cli_misuse(usage, "%s: needs a value", word);
	if (word[0] == '-' && word[1] == '-')
		return long_option_error(usage, options, word);
	return cli_misuse(usage, "-%c: %s", optopt,
			  opt == ':' ? "needs a value" : "no such option");
}

int cli_getopt(const struct cli_usage *usage, int argc, char **argv)
{
	static struct option options[OPTIONS_MAX];
	int opt;

	opterr = 0;
	options_join(options, usage->options);
	while ((opt = getopt_long(argc, argv, usage->shorts, options, NULL)) == OPT_SOCKET)
		global->socket = optarg;
	if (opt == 'h')
		fputs(usage->help, stdout);
	if (opt == 'h' && usage->more)
		usage->more();
	if (opt == OPT_VERSION) {
		puts("rssb " PACKAGE_VERSION);
		return 'h';
	}
	if (opt != '?' && opt != ':')
		return opt;
	option_error(usage, options, opt, argv);
	return '?';
}

int cli_usage_status(int opt)
{
	return opt == 'h' ? CLI_OK : CLI_USAGE;
}

static void line_print(const char *what, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static void line_print(const char *what, const char *format, va_list args)
{
	_cleanup_free_ char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	fprintf(stderr, "rssb: %s: %s\n", what, sanitize_line(mem_must(text)));
}

int cli_fail(const char *what, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line_print(what, format, args);
	va_end(args);
	return CLI_FAILED;
}

int cli_fail_grant(const char *what, const char *grant, int error, const char *reason)
{
	const char *cure = "";

	if (error == -ENOENT)
		cure = " (rssb status lists yours; a restart of the broker ends all)";
	else if (error == -EOPNOTSUPP && strcmp(what, "top") == 0)
		cure = ": make one by rssb attach --stats or rssb run --stats";
	else if (error == -EOPNOTSUPP)
		cure = ": make one by rssb attach --managed";
	return cli_fail(what, "%s: %s%s", grant, reason, cure);
}

void cli_tell(bool verbose, const char *what, const char *format, ...)
{
	va_list args;

	if (!verbose)
		return;
	va_start(args, format);
	line_print(what, format, args);
	va_end(args);
}

int cli_misuse(const struct cli_usage *usage, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "rssb: %s%s", usage->name, usage->name[0] ? ": " : "");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (see rssb %s%s--help)\n", usage->name, usage->name[0] ? " " : "");
	return CLI_USAGE;
}

int cli_parse_seconds(const char *text, double min, double max, int *ret_ms)
{
	char *end;
	double seconds = strtod(text, &end);

	if (*end || end == text || !(seconds >= min && seconds <= max)) /* also not NaN */
		return -EINVAL;
	*ret_ms = (int)(seconds * 1000);
	return 0;
}

static const char *socket_path(const char *socket)
{
	const char *named = socket ? socket : getenv("RSSB_SOCKET");

	return named && *named ? named : RSSB_SOCKET_DEFAULT;
}

char *cli_access_cure(const char *socket)
{
	const char *path = socket_path(socket);
	const struct passwd *user = getpwuid(geteuid());
	const struct group *group;
	struct stat st;

	if (stat(path, &st))
		return mem_format("this user may not enter the directory of %s", path);
	if (geteuid() == UID_OVERFLOW)
		return mem_format("users of any user namespace may have uid %u; rss-broker "
				  "--allow-user %u lets them in",
				  UID_OVERFLOW, UID_OVERFLOW);
	if (st.st_mode & S_IWOTH)
		return mem_format(
			"its mode lets everybody in: SELinux or AppArmor refuses (ausearch "
			"-m avc -ts recent; journalctl -k --grep apparmor)");
	group = st.st_mode & S_IWGRP && st.st_gid ? getgrgid(st.st_gid) : NULL;
	if (!group)
		return mem_format("its mode is %04o and its owner uid %u: start rss-broker with "
				  "--allow-user, or make a group rss-broker and start it again",
				  st.st_mode & 07777, st.st_uid);
	return user ? mem_format("usermod -aG %s %s, then log in again", group->gr_name,
				 user->pw_name)
		    : mem_format("usermod -aG %s USER, then log in again", group->gr_name);
}

char *cli_connect_cure(int error, const char *socket)
{
	_cleanup_free_ char *access = error == -EACCES ? cli_access_cure(socket) : NULL;

	return access ? mem_format("; %s", access) : mem_format("%s", connect_cure(error));
}

int cli_connect(const struct cli *cli, const char *what, struct rssb **ret)
{
	_cleanup_free_ char *cure = NULL;
	struct rssb *c = NULL;
	int r = rssb_connect(&c, cli->socket);

	if (r) {
		cure = cli_connect_cure(r, cli->socket);
		cli_fail(what, "%s%s", c ? rssb_reason(c) : strerror(-r), cure);
		rssb_close(c);
		return CLI_FAILED;
	}
	*ret = c;
	return CLI_OK;
}
