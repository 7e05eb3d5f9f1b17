/* SPDX-License-Identifier: MIT */
/* The broker's command line: what it means, what is refused, what is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "broker/common/log.h"
#include "broker/front/grant.h"
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
	assert_false(o.no_perfmon);
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
	assert_true(o.no_perfmon);
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
	} words[] = {
		{ "--nope", "--nope: no such option" },
		{ "--polo=2", "--polo: no such option; did you mean --pool?" },
		{ "--socket", "--socket: needs a value" },
		{ "-x", "-x: no such option" },
		{ "-h", "-h: no such option" },
		{ "--no-perfmon=1", "--no-perfmon: takes no value" },
		{ "--allow=1", "--allow: more than one option begins with this" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct capture said;
		struct options o;
		char want[128];

		assert_int_equal(PARSE(&o, &said, STDERR_FILENO, words[i].word), -EINVAL);
		snprintf(want, sizeof(want), "rss-broker: %s; see rss-broker --help\n",
			 words[i].said);
		assert_string_equal(said.text, want);
	}
}

#define LIMIT(name, member, min, max)                                                              \
	{                                                                                          \
		name, offsetof(struct options, front.limits.member), min, max                      \
	}

/* Every limit takes its least and its most, which its default lies between, and nothing else. */
static void limits_have_ranges(void **state)
{
	static const struct {
		const char *name;
		size_t offset;
		unsigned min, max;
	} limits[] = {
		LIMIT("max-connections", connections, 1, 512),
		LIMIT("max-unread", unread, 1, 512),
		LIMIT("max-grants", grants, 1, GRANTS_MAX),
		LIMIT("memory-percent", memory_percent, 1, 100),
		LIMIT("memory", memory_mib, 1, 1048576),
		LIMIT("share", share, 1, 1000),
		LIMIT("ended-forgotten", ended_kib, 1, 1048576),
		LIMIT("tokens", tokens, 1, 1000000000),
		LIMIT("token-rate", token_rate, 1, 1000000),
		LIMIT("first-request-timeout", first_request_ms, 10, 600000),
		LIMIT("read-reply-timeout", read_reply_ms, 10, 600000),
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		char refused[][24] = { "x", "", "-1", "+9", " 9", "9s", "99999999999999999999",
				       "",  "" };
		const size_t n = sizeof(refused) / sizeof(refused[0]);
		char option[32], text[24], want[400];
		struct options o;
		const unsigned *value = (const void *)((const char *)&o + limits[i].offset);
		struct capture said;

		snprintf(option, sizeof(option), "--%s", limits[i].name);
		assert_int_equal(PARSE(&o, &said, STDERR_FILENO, NULL), 0);
		assert_in_range(*value, limits[i].min, limits[i].max);
		for (int most = 0; most < 2; most++) {
			const unsigned bound = most ? limits[i].max : limits[i].min;

			snprintf(text, sizeof(text), "%u", bound);
			assert_int_equal(PARSE(&o, &said, STDERR_FILENO, option, text), 0);
			assert_int_equal(*value, bound);
		}
		snprintf(refused[n - 2], sizeof(refused[0]), "%u", limits[i].min - 1);
		snprintf(refused[n - 1], sizeof(refused[0]), "%llu", limits[i].max + 1ull);
		for (size_t j = 0; j < n; j++) {
			assert_int_equal(PARSE(&o, &said, STDERR_FILENO, option, refused[j]),
					 -EINVAL);
			snprintf(want, sizeof(want),
				 "rss-broker: %s %s: must be a number from %u to %u; see "
				 "rss-broker --help\n",
				 option, refused[j], limits[i].min, limits[i].max);
			assert_string_equal(said.text, want);
		}
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
		cmocka_unit_test(too_many_names), cmocka_unit_test(limits_have_ranges),
		cmocka_unit_test(version),	  cmocka_unit_test(help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
