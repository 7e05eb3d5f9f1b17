/* SPDX-License-Identifier: MIT */
/* The broker's command line: what it means, what is refused, what is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <getopt.h>

#include "broker/common/log.h"
#include "broker/start/options.h"
#include "tests/unit/capture.h"

#define WORDS_MAX 140

/* Parses the words up to NULL; what was said is in *ret_said. */
static int parse(struct options *o, struct capture *ret_said, int target, char *const *words)
{
	char *argv[WORDS_MAX + 2] = { "rss-broker" };
	int argc = 1, r;

	while (*words)
		argv[argc++] = *words++;
	optind = 0; /* starts getopt afresh */
	capture_begin(ret_said, target);
	r = options_parse(o, argc, argv);
	capture_end(ret_said);
	return r;
}

#define PARSE(o, said, target, ...)                                                                \
	parse(o, said, target, (char *[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static void defaults(void **state)
{
	struct capture said;
	struct options o;

	assert_int_equal(PARSE(&o, &said, STDERR_FILENO), 0);
	assert_string_equal(o.socket, "/run/rss-broker/rss-broker.sock");
	assert_string_equal(o.user, "rss-broker");
	assert_int_equal(o.front.policy.n_uids, 0);
	assert_int_equal(o.front.policy.n_gids, 0);
	assert_int_equal(o.front.pool, 8);
	assert_true(o.perfmon);
	assert_int_equal(o.log_level, LOG_INFO);
	assert_string_equal(said.text, "");
}

static void every_option(void **state)
{
	struct capture said;
	struct options o;

	assert_int_equal(PARSE(&o, &said, STDERR_FILENO, "--socket", "/x", "--user=7",
			       "--allow-user", "0", "--allow-user=4294967294", "--allow-user",
			       "root", "--allow-group", "12345", "--allow-group=root", "--pool=64",
			       "--no-perfmon", "--log-level", "debug"),
			 0);
	assert_string_equal(o.socket, "/x");
	assert_string_equal(o.user, "7");
	assert_int_equal(o.front.policy.n_uids, 3);
	assert_int_equal(o.front.policy.uids[0], 0);
	assert_int_equal(o.front.policy.uids[1], 4294967294);
	assert_int_equal(o.front.policy.uids[2], 0);
	assert_int_equal(o.front.policy.n_gids, 2);
	assert_int_equal(o.front.policy.gids[0], 12345);
	assert_int_equal(o.front.policy.gids[1], 0);
	assert_int_equal(o.front.pool, 64);
	assert_false(o.perfmon);
	assert_int_equal(o.log_level, LOG_DEBUG);
	assert_string_equal(said.text, "");
}

/* One bad line each, and what is said about it. */
static const struct {
	char *words[4];
	const char *said;
} bad[] = {
	{ { "--pool", "0" },
	  "rss-broker: --pool 0: must be a number from 1 to 64; see rss-broker --help\n" },
	{ { "--pool", "65" },
	  "rss-broker: --pool 65: must be a number from 1 to 64; see rss-broker --help\n" },
	{ { "--pool", "" },
	  "rss-broker: --pool : must be a number from 1 to 64; see rss-broker --help\n" },
	{ { "--pool", "-1" },
	  "rss-broker: --pool -1: must be a number from 1 to 64; see rss-broker --help\n" },
	{ { "--pool", "8x" },
	  "rss-broker: --pool 8x: must be a number from 1 to 64; see rss-broker --help\n" },
	{ { "--pool", "18446744073709551617" },
	  "rss-broker: --pool 18446744073709551617: must be a number from 1 to 64; see rss-broker "
	  "--help\n" },
	{ { "--log-level", "loud" },
	  "rss-broker: --log-level loud: must be err, warning, notice, info or debug; see "
	  "rss-broker --help\n" },
	{ { "--allow-user", "no-such-user" },
	  "rss-broker: --allow-user no-such-user: no such user or group; see rss-broker --help\n" },
	{ { "--allow-user", "4294967295" },
	  "rss-broker: --allow-user 4294967295: no such user or group; see rss-broker --help\n" },
	{ { "--allow-user", "-1" },
	  "rss-broker: --allow-user -1: no such user or group; see rss-broker --help\n" },
	{ { "--allow-user", "0x0" },
	  "rss-broker: --allow-user 0x0: no such user or group; see rss-broker --help\n" },
	{ { "--allow-group", "" },
	  "rss-broker: --allow-group : no such user or group; see rss-broker --help\n" },
	{ { "now" }, "rss-broker: now: unexpected argument; see rss-broker --help\n" },
	{ { "--pool=2", "--", "--pool" },
	  "rss-broker: --pool: unexpected argument; see rss-broker --help\n" },
};

static void bad_values(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct options o = { .front.pool = 99 };
		struct capture said;

		assert_int_equal(parse(&o, &said, STDERR_FILENO, bad[i].words), -EINVAL);
		assert_string_equal(said.text, bad[i].said);
		assert_int_equal(o.front.pool, 99); /* untouched */
	}
}

static void bad_options(void **state)
{
	static const struct {
		char *word;
		const char *said;
	} words[] = { { "--nope", "unknown or ambiguous option" },
		      { "--socket", "needs a value" },
		      { "-x", "unknown or ambiguous option" },
		      { "--no-perfmon=1", "takes no value" },
		      { "--allow=1", "unknown or ambiguous option" } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct capture said;
		struct options o;
		char want[128];

		assert_int_equal(PARSE(&o, &said, STDERR_FILENO, words[i].word), -EINVAL);
		snprintf(want, sizeof(want), "rss-broker: %s: %s; see rss-broker --help\n",
			 words[i].word, words[i].said);
		assert_string_equal(said.text, want);
	}
}

static void too_many_names(void **state)
{
	char *words[2 * POLICY_NAMES_MAX + 3] = { NULL };
	struct capture said;
	struct options o;

	for (size_t i = 0; i < POLICY_NAMES_MAX; i++) {
		words[2 * i] = "--allow-user";
		words[2 * i + 1] = "7";
	}
	assert_int_equal(parse(&o, &said, STDERR_FILENO, words), 0);
	assert_int_equal(o.front.policy.n_uids, POLICY_NAMES_MAX);
	words[2 * (size_t)POLICY_NAMES_MAX] = "--allow-user=8";
	assert_int_equal(parse(&o, &said, STDERR_FILENO, words), -EINVAL);
	assert_string_equal(
		said.text,
		"rss-broker: --allow-user 8: at most 64 may be given; see rss-broker --help\n");
}

static void version(void **state)
{
	struct capture said;
	struct options o;

	assert_int_equal(PARSE(&o, &said, STDOUT_FILENO, "--version"), 1);
	assert_string_equal(said.text, "rss-broker " PACKAGE_VERSION "\n");
}

/* Every option is in it, and no line is wider than a terminal. */
static void help(void **state)
{
	static const char *const options[] = { "--socket PATH", "--user NAME|UID", "--allow-user",
					       "--allow-group", "--pool N",	   "--no-perfmon",
					       "--log-level",	"--version",	   "--help" };
	struct capture said;
	struct options o;
	size_t width = 0;

	assert_int_equal(PARSE(&o, &said, STDOUT_FILENO, "--help"), 1);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		assert_non_null(strstr(said.text, options[i]));
	for (const char *c = said.text; *c; c++) {
		width = *c == '\n' ? 0 : width + 1;
		assert_true(width <= 80);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),	  cmocka_unit_test(every_option),
		cmocka_unit_test(bad_values),	  cmocka_unit_test(bad_options),
		cmocka_unit_test(too_many_names), cmocka_unit_test(version),
		cmocka_unit_test(help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
