/* SPDX-License-Identifier: MIT */
/* QEMU's k=v notation, and its values as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <json-c/json.h>

#include "client/cli/qemu/opts.h"
#include "client/cli/qemu/types.h"

static void check_json(struct json_object *json, const char *want)
{
	assert_string_equal(json_object_to_json_string_ext(
				    json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
			    want);
	json_object_put(json);
}

static void parse_reads_what_qemu_reads(void **state)
{
	static const struct {
		const char *text, *implied, *want;
	} rows[] = {
		{ "", "driver", "{}" },
		{ "e1000", "driver", "{\"driver\":\"e1000\"}" },
		{ "e1000,a=b", "driver", "{\"driver\":\"e1000\",\"a\":\"b\"}" },
		{ "a=b,e1000", "driver", "{\"a\":\"b\",\"e1000\":\"on\"}" },
		{ "driver=x,y=z", "driver", "{\"driver\":\"x\",\"y\":\"z\"}" },
		{ "x,mq", "driver", "{\"driver\":\"x\",\"mq\":\"on\"}" },
		{ "x,nomq", "driver", "{\"driver\":\"x\",\"mq\":\"off\"}" },
		{ "x,no", "driver", "{\"driver\":\"x\",\"\":\"off\"}" },
		{ "x,a=1,a=2", "driver", "{\"driver\":\"x\",\"a\":\"2\"}" },
		{ "x,id=1,id=2", "driver", "{\"driver\":\"x\",\"id\":\"1\"}" },
		{ "x,a=b,,c,d=e", "driver", "{\"driver\":\"x\",\"a\":\"b,c\",\"d\":\"e\"}" },
		{ "x,a=,,", "driver", "{\"driver\":\"x\",\"a\":\",\"}" },
		{ "x,a=,b=,", "driver", "{\"driver\":\"x\",\"a\":\"\",\"b\":\"\"}" },
		{ "x,a=b=c", "driver", "{\"driver\":\"x\",\"a\":\"b=c\"}" },
		{ "x,,y,a=b", "driver", "{\"driver\":\"x,y\",\"a\":\"b\"}" },
		{ "x,", "driver", "{\"driver\":\"x\"}" },
		{ "snapshot,a=b", NULL, "{\"snapshot\":\"on\",\"a\":\"b\"}" },
		{ "a=\"\\", NULL, "{\"a\":\"\\\"\\\\\"}" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_json(qemu_opts_parse(rows[i].text, rows[i].implied), rows[i].want);
}

static void format_is_the_other_way_round(void **state)
{
	static const char *const texts[] = {
		"local,path=/a,,b,id=x", "", "local", "x,a=,b=,,", "local,no=off",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct json_object *opts = qemu_opts_parse(texts[i], "fsdriver");
		char *text = qemu_opts_format(opts, "fsdriver");

		assert_string_equal(text, texts[i]);
		free(text);
		json_object_put(opts);
	}
}

static void help_is_a_bare_word(void **state)
{
	assert_true(qemu_opts_asks_help("help"));
	assert_true(qemu_opts_asks_help("?"));
	assert_true(qemu_opts_asks_help("e1000,help"));
	assert_true(qemu_opts_asks_help("e1000,a=b,?"));
	assert_false(qemu_opts_asks_help("e1000"));
	assert_false(qemu_opts_asks_help("e1000,help=x"));
	assert_false(qemu_opts_asks_help("e1000,a=help"));
	assert_false(qemu_opts_asks_help("e1000,a=,,help"));
	assert_false(qemu_opts_asks_help(""));
}

static void bools_have_eight_words(void **state)
{
	static const char *const yes[] = { "on", "yes", "true", "y" };
	static const char *const no[] = { "off", "no", "false", "n" };
	static const char *const neither[] = { "", "ON", "1", "0", "auto", "on " };
	bool truth;

	for (size_t i = 0; i < 4; i++) {
		assert_true(qemu_opts_bool(yes[i], &truth) && truth);
		assert_true(qemu_opts_bool(no[i], &truth) && !truth);
	}
	for (size_t i = 0; i < sizeof(neither) / sizeof(neither[0]); i++)
		assert_false(qemu_opts_bool(neither[i], &truth));
}

static void values_get_their_type(void **state)
{
	static const struct {
		const char *name, *type, *text, *want;
	} rows[] = {
		{ "mq", "bool", "on", "true" },
		{ "mq", "bool", "n", "false" },
		{ "mq", "bool", "1", "\"1\"" }, /* QEMU will refuse it in its own words */
		{ "vectors", "uint32", "10", "10" },
		{ "vectors", "uint32", "0x0a", "10" },
		{ "vectors", "uint32", "010", "8" },
		{ "vectors", "uint32", "", "\"\"" },
		{ "vectors", "uint32", "10k", "\"10k\"" },
		{ "wwn", "uint64", "0xffffffffffffffff", "18446744073709551615" },
		{ "wwn", "uint64", "18446744073709551616", "\"18446744073709551616\"" },
		{ "bootindex", "int32", "-1", "-1" },
		{ "tsc", "int", "0x7fffffffffffffff", "9223372036854775807" },
		{ "block", "size", "512", "512" },
		{ "block", "size", "4k", "4096" },
		{ "block", "size", "1.5G", "1610612736" },
		{ "block", "size", "0x1000", "4096" },
		{ "block", "size", "8E", "9223372036854775808" },
		{ "block", "size", "16E", "\"16E\"" },
		{ "block", "size", "7B", "7" },
		{ "block", "size", "1.5", "\"1.5\"" },
		{ "block", "size", "-1", "\"-1\"" },
		{ "block", "size", "1KB", "\"1KB\"" },
		{ "mac", "str", "52:54:00:12:34:56", "\"52:54:00:12:34:56\"" },
		{ "serial", "str", "007", "\"007\"" },
		{ "disable-legacy", "OnOffAuto", "on", "\"on\"" },
		{ "memdev", "link<memory-backend>", "m0", "\"m0\"" },
		{ "addr", "str", "3.1", "\"3.1\"" },
		{ "addr", "int32", "3", "\"3\"" }, /* a PCI address before QEMU 10.0 */
		{ "addr", "uint64", "0x100", "256" },
		{ "later", NULL, "1", "\"1\"" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_json(qemu_typed_value(rows[i].name, rows[i].type, rows[i].text),
			   rows[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_reads_what_qemu_reads),
		cmocka_unit_test(format_is_the_other_way_round),
		cmocka_unit_test(help_is_a_bare_word),
		cmocka_unit_test(bools_have_eight_words),
		cmocka_unit_test(values_get_their_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
