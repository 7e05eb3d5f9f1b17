/* SPDX-License-Identifier: MIT */
/* What rssb reads from its command line besides steering: flows and grants; and base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "client/cli/rss/flow.h"
#include "client/cli/util/base64.h"
#include "client/cli/util/cli.h"

static void ends_are_read(void **state)
{
	static const uint8_t loopback6[16] = { [15] = 1 };
	static const struct {
		const char *text;
		int version, port; /* -1: none */
	} rows[] = {
		{ "127.0.0.1", 4, -1 },
		{ "127.0.0.1:0", 4, 0 },
		{ "127.0.0.1:65535", 4, 65535 },
		{ "::1", 6, -1 },
		{ "[::1]", 6, -1 },
		{ "[::1]:80", 6, 80 },
		{ "0:0:0:0:0:0:0:1", 6, -1 },
	};
	char reason[WHY_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flow_end end;

		assert_int_equal(flow_end_parse(&end, rows[i].text, reason), 0);
		assert_int_equal(end.version, rows[i].version);
		assert_int_equal(end.has_port, rows[i].port >= 0);
		assert_int_equal(end.port, rows[i].port < 0 ? 0 : rows[i].port);
		if (end.version == 4)
			assert_memory_equal(end.address, "\x7f\0\0\1", 4);
		else
			assert_memory_equal(end.address, loopback6, 16);
	}
}

static void ends_are_refused(void **state)
{
	static const char *const rows[] = {
		"",
		":",
		":80",
		"localhost",
		"127.0.0.1:",
		"127.0.0.1:65536",
		"127.0.0.1:-1",
		"127.0.0.1:99999999999999999999",
		"127.0.0.1:8o",
		"127.0.0",
		"127.0.0.1.1",
		"[127.0.0.1]:80",
		"[::1",
		"[::1]80",
		"[::1]:",
		"[]:80",
		"::1]:80",
		"1::2::3",
		"::ffff:127.0.0.1:80",
		"fe80::1%eth0",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
	};
	char reason[WHY_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flow_end end;

		reason[0] = '\0';
		assert_int_equal(flow_end_parse(&end, rows[i], reason), -22);
		assert_int_equal(strncmp(reason, rows[i], strlen(rows[i])), 0);
	}
}

static int join(const char *src, const char *dst, const char *proto, struct flow *ret)
{
	struct flow_end a, b;
	char reason[WHY_MAX];

	assert_int_equal(flow_end_parse(&a, src, reason), 0);
	assert_int_equal(flow_end_parse(&b, dst, reason), 0);
	return flow_join(ret, &a, &b, proto, reason);
}

static void flows_are_joined(void **state)
{
	struct flow flow;

	assert_int_equal(join("1.2.3.4:5", "5.6.7.8:9", NULL, &flow), 0);
	assert_int_equal(flow.proto, FLOW_TCP);
	assert_int_equal(flow.sport, 5);
	assert_int_equal(flow.dport, 9);
	assert_memory_equal(flow.src, "\1\2\3\4", 4);
	assert_memory_equal(flow.dst, "\5\6\7\10", 4);
	assert_int_equal(join("1.2.3.4:5", "5.6.7.8:9", "udp", &flow), 0);
	assert_int_equal(flow.proto, FLOW_UDP);
	assert_int_equal(join("::1", "::2", NULL, &flow), 0);
	assert_int_equal(flow.proto, FLOW_OTHER);
	assert_int_equal(flow.version, 6);
	assert_int_equal(join("::1", "::2", "none", &flow), 0);

	assert_int_equal(join("::1", "1.2.3.4", NULL, &flow), -22);
	assert_int_equal(join("1.2.3.4:5", "1.2.3.4", NULL, &flow), -22);
	assert_int_equal(join("1.2.3.4", "1.2.3.4:5", NULL, &flow), -22);
	assert_int_equal(join("1.2.3.4", "1.2.3.4", "tcp", &flow), -22);
	assert_int_equal(join("1.2.3.4:1", "1.2.3.4:1", "none", &flow), -22);
	assert_int_equal(join("1.2.3.4:1", "1.2.3.4:1", "sctp", &flow), -22);
}

static void grants_are_named(void **state)
{
	static const char *const refused[] = { "",    "0",
					       "000", "18446744073709551616",
					       "a b", "1234567890123456x" };
	struct grant_name name;

	assert_int_equal(grant_name_parse(&name, "18446744073709551615"), 0);
	assert_true(name.id == UINT64_MAX && !name.label);
	assert_int_equal(grant_name_parse(&name, "007"), 0);
	assert_true(name.id == 7 && !name.label);
	assert_int_equal(grant_name_parse(&name, "7a"), 0);
	assert_true(!name.id);
	assert_string_equal(name.label, "7a");
	assert_int_equal(grant_name_parse(&name, "a.B_9-"), 0);
	assert_string_equal(name.label, "a.B_9-");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(grant_name_parse(&name, refused[i]), -22);
}

/* The test vectors of RFC 4648, section 10. */
static void base64_is_rfc_4648s(void **state)
{
	static const char *const rows[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xfb\xff\xbf", "+/+/" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = base64_text(rows[i][0], strlen(rows[i][0]));

		assert_string_equal(text, rows[i][1]);
		assert_int_equal(BASE64_LEN(strlen(rows[i][0])), strlen(text));
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_are_read),       cmocka_unit_test(ends_are_refused),
		cmocka_unit_test(flows_are_joined),    cmocka_unit_test(grants_are_named),
		cmocka_unit_test(base64_is_rfc_4648s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
