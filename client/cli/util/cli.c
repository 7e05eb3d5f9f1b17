/* SPDX-License-Identifier: MIT */
/*
 * What every command shares: reading options, reporting errors, connecting.
 * It never ends the process and prints to stdout only what --help asks for.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/util/cli.h"
#include "client/cli/util/mem.h"
#include "client/cli/util/sanitize.h"
#include "proto/cure.h"

static int option_error(const struct cli_usage *usage, int opt, char **argv)
{
	const char *word = argv[optind - 1];

	/* Of a short option getopt tells the letter, of a long one the word. */
	if (word[0] == '-' && word[1] == '-')
		return cli_misuse(usage, "%s: %s", word,
				  opt == ':' ? "needs a value"
					     : "no such option, or a wrong use of it");
	return cli_misuse(usage, "-%c: %s", optopt,
			  opt == ':' ? "needs a value" : "no such option");
}

int cli_getopt(const struct cli_usage *usage, int argc, char **argv)
{
	int opt;

	opterr = 0;
	opt = getopt_long(argc, argv, usage->shorts, usage->options, NULL);
	if (opt == 'h')
		fputs(usage->help, stdout);
	if (opt != '?' && opt != ':')
		return opt;
	option_error(usage, opt, argv);
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
		cure = " (rssb status lists yours)";
	else if (error == -EOPNOTSUPP)
		cure = " (as rssb attach --managed and --stats do)";
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

int cli_connect(const struct cli *cli, const char *what, struct rssb **ret)
{
	struct rssb *c = NULL;
	int r = rssb_connect(&c, cli->socket);

	if (r) {
		cli_fail(what, "%s%s", c ? rssb_reason(c) : strerror(-r), connect_cure(r));
		rssb_close(c);
		return CLI_FAILED;
	}
	*ret = c;
	return CLI_OK;
}
