/* SPDX-License-Identifier: MIT */
/* Steering in words: what it means, and what is said of what it cannot mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "bpf/rss_maps.h"
#include "client/cli/rss/steering.h"

#define KEY_39                                                                                     \
	"00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:"                             \
	"14:15:16:17:18:19:1a:1b:1c:1d:1e:1f:20:21:22:23:24:25:26"
#define KEY KEY_39 ":27"

static struct steering parse(const char *text)
{
	struct steering s;
	char reason[WHY_MAX] = "";

	if (steering_parse(&s, text, reason))
		fail_msg("\"%s\": %s", text, reason);
	return s;
}

/* How many of the entries name this queue. */
static unsigned share(const struct steering *s, unsigned queue)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->table_len; i++)
		n += s->table[i] == queue;
	return n;
}

static void empty_has_defaults(void **state)
{
	struct steering s = parse(" \t\n");

	assert_int_equal(s.hash_types, RSS_HASH_ALL);
	assert_int_equal(s.default_queue, 0);
	assert_int_equal(s.table_len, 0);
	assert_int_equal(s.queues, 1);
	assert_false(s.keyed);
}

static void equal_takes_turns(void **state)
{
	struct steering s = parse("equal 3 start 5");

	assert_int_equal(s.table_len, 128);
	assert_int_equal(s.queues, 8);
	for (unsigned i = 0; i < 128; i++)
		assert_int_equal(s.table[i], 5 + i % 3);
}

/* "3 1" of 128 is 96 and 32, "1 1 1" is 42, 43, 43: entry i is below 128 * partial / sum. */
static void weight_is_proportional_and_in_order(void **state)
{
	struct steering s = parse("weight 3 0 1 start 2");

	assert_int_equal(s.queues, 5);
	for (unsigned i = 0; i < 128; i++)
		assert_int_equal(s.table[i], i < 96 ? 2 : 4);

	s = parse("weight 1 1 1");
	assert_int_equal(share(&s, 0), 42);
	assert_int_equal(share(&s, 1), 43);
	assert_int_equal(share(&s, 2), 43);
	assert_int_equal(s.table[41], 0);
	assert_int_equal(s.table[42], 1);
	assert_int_equal(s.table[85], 2);
}

static void weight_ends_at_the_next_clause(void **state)
{
	struct steering s = parse("weight 1 127 default-queue 7");

	assert_int_equal(share(&s, 0), 1);
	assert_int_equal(share(&s, 1), 127);
	assert_int_equal(s.default_queue, 7);
	assert_int_equal(s.queues, 8);
}

static void table_is_taken_as_it_is(void **state)
{
	struct steering s = parse("table 3,0,255,3");

	assert_int_equal(s.table_len, 4);
	assert_int_equal(s.table[0], 3);
	assert_int_equal(s.table[1], 0);
	assert_int_equal(s.table[2], 255);
	assert_int_equal(s.table[3], 3);
	assert_int_equal(s.queues, 256);
}

#define KEY_52 KEY ":28:29:2a:2b:2c:2d:2e:2F:30:31:32:33"

static void longer_keys_are_for_comparison(void **state)
{
	struct steering s = parse("equal 2 hkey " KEY_52), plain = parse("equal 2 hkey " KEY);
	char reason[WHY_MAX];

	assert_memory_equal(s.key, plain.key, sizeof(s.key));
	assert_int_equal(s.key_unused, 12);
	assert_int_equal(steering_check(&s, reason), -EINVAL);
	assert_string_equal(reason, "hkey: has 52 bytes, must be 40");
	assert_int_equal(steering_check(&plain, reason), 0);
}

static void symmetric_is_6d5a(void **state)
{
	struct steering s = parse("hkey symmetric");

	for (size_t i = 0; i < sizeof(s.key); i += 2)
		assert_memory_equal(&s.key[i], "\x6d\x5a", 2);
	assert_true(s.keyed);
}

static void hkey_is_read_in_order(void **state)
{
	struct steering s = parse("hkey " KEY);

	assert_true(s.keyed);
	for (unsigned i = 0; i < RSSB_KEY_BYTES; i++)
		assert_int_equal(s.key[i], i);
	s = parse("hkey FF"
		  ""
		  ":01:02:03:04:05:06:07:08:09:0A:0b:0c:0d:0e:0f:10:11:12:13:"
		  "14:15:16:17:18:19:1a:1b:1c:1d:1e:1f:20:21:22:23:24:25:26:27");
	assert_int_equal(s.key[0], 0xff);
	assert_int_equal(s.key[10], 0x0a);
}

static void hash_types_add_up(void **state)
{
	assert_int_equal(parse("hash-types ipv4,udp_ex,tcp6").hash_types,
			 RSS_HASH_IPV4 | RSS_HASH_UDP_EX | RSS_HASH_TCPV6);
	assert_int_equal(parse("hash-types none").hash_types, 0);
	assert_int_equal(parse("hash-types all").hash_types, RSS_HASH_ALL);
}

/* Tunnels by the words of the virtio specification; without types all types are meant. */
static void hash_types_take_tunnels(void **state)
{
	assert_int_equal(parse("hash-types gre").hash_types, 0x00701ff);
	assert_int_equal(parse("hash-types ipip,vxlan").hash_types, 0x09001ff);
	assert_int_equal(parse("hash-types ipv4,geneve").hash_types, 0x0400001);
	assert_int_equal(parse("hash-types nvgre,none").hash_types, 0x1000000);
	assert_int_equal(parse("hash-types all,gre-udp,vxlan-gpe").hash_types, 0x02801ff);
	assert_int_equal(
		parse("hash-types gre,ipip,vxlan,geneve,nvgre,gre-udp,vxlan-gpe").hash_types,
		RSS_HASH_ALL | RSS_TUNNEL_ALL);
}

static void hash_types_have_names(void **state)
{
	for (uint32_t bit = 1; bit & RSS_HASH_ALL; bit <<= 1) {
		char text[64];

		snprintf(text, sizeof(text), "hash-types %s", steering_hash_type_name(bit));
		assert_int_equal(parse(text).hash_types, bit);
	}
	assert_string_equal(steering_hash_type_name(0x200), "?");
}

static void complete_draws_a_key(void **state)
{
	struct steering a = parse("equal 2"), b = parse("equal 2"), c = parse("equal 2 hkey " KEY);
	char reason[WHY_MAX];

	assert_int_equal(steering_complete(&a, reason), 0);
	assert_int_equal(steering_complete(&b, reason), 0);
	assert_int_equal(steering_complete(&c, reason), 0);
	assert_memory_not_equal(a.key, b.key, sizeof(a.key));
	assert_int_equal(c.key[39], 39);

	a = parse("hkey " KEY);
	assert_int_not_equal(steering_complete(&a, reason), 0);
	assert_string_equal(reason, "STEERING names no queues: give equal, weight or table");
}

static void view_borrows(void **state)
{
	struct steering s = parse("table 0,1 default-queue 2 hkey " KEY);
	struct rssb_steering view = steering_view(&s);

	assert_int_equal(view.size, sizeof(view));
	assert_int_equal(view.queues, 3);
	assert_int_equal(view.default_queue, 2);
	assert_int_equal(view.table_len, 2);
	assert_ptr_equal(view.table, s.table);
	assert_ptr_equal(view.key, s.key);
}

static const struct {
	const char *text, *reason;
} refused[] = {
	{ "equal", "equal: needs a value" },
	{ "equal 0", "equal: \"0\" is not a number from 1 to 128" },
	{ "equal 129", "equal: \"129\" is not a number from 1 to 128" },
	{ "equal four", "equal: \"four\" is not a number from 1 to 128" },
	{ "equal -1", "equal: \"-1\" is not a number from 1 to 128" },
	{ "equal 4x", "equal: \"4x\" is not a number from 1 to 128" },
	{ "equal 99999999999999999999",
	  "equal: \"99999999999999999999\" is not a number from 1 to 128" },
	{ "equal 4 equal 4", "equal: given twice" },
	{ "equal 4 weight 1", "weight: does not go together with equal" },
	{ "table 0 start 1", "start: does not go together with table" },
	{ "start 1 table 0", "table: does not go together with start" },
	{ "start 1", "start: needs equal or weight" },
	{ "equal 2 start 255", "start: 255 and 2 queues are more than 256" },
	{ "equal 2 start 256", "start: \"256\" is not a number from 0 to 255" },
	{ "weight", "weight: needs a number for each queue" },
	{ "weight x", "weight: needs a number for each queue" },
	{ "weight 0 0", "weight: the sum is 0, it must be 1 to 128" },
	{ "weight 100 29", "weight: the sum is 129, it must be 1 to 128" },
	{ "weight 129", "weight: \"129\" is not a number from 0 to 128" },
	{ "table 0,1,2,3,4,5", "table: has 6 entries, it must be 1, 2, 4, 8, 16, 32, 64 or 128" },
	{ "table 0,1,2", "table: has 3 entries, it must be 1, 2, 4, 8, 16, 32, 64 or 128" },
	{ "table 0,", "table: \"\" is not a number from 0 to 255" },
	{ "table 0,256", "table: \"256\" is not a number from 0 to 255" },
	{ "default-queue 256", "default-queue: \"256\" is not a number from 0 to 255" },
	{ "hkey", "hkey: needs a value" },
	{ "hkey " KEY_39, "hkey: has 39 bytes, must be 40" },
	{ "hkey " KEY ":28", "hkey: has 41 bytes, must be 40" },
	{ "hkey " KEY_52 ":34", "hkey: has 53 bytes, must be 40" },
	{ "hkey symmetrical", "hkey: byte 1 of 40 is not two hex digits" },
	{ "hkey " KEY ":", "hkey: byte 40 of 40 is not followed by the end" },
	{ "hkey 0:11", "hkey: byte 1 of 40 is not two hex digits" },
	{ "hkey 00-11", "hkey: byte 1 of 40 is not followed by a colon" },
	{ "hash-types ipv4,sctp4",
	  "hash-types: \"sctp4\" is none of ipv4 tcp4 udp4 ipv6 tcp6 udp6 "
	  "ip_ex tcp_ex udp_ex all none, nor of the tunnels gre ipip vxlan "
	  "geneve nvgre gre-udp vxlan-gpe" },
	{ "equal 4 foo", "\"foo\" is none of equal, weight, table, start, hkey, default-queue, "
			 "hash-types" },
};

static void refusals_say_what_is_wrong(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct steering s, before;
		char reason[WHY_MAX] = "";

		memset(&s, 0xa5, sizeof(s));
		before = s;
		assert_int_equal(steering_parse(&s, refused[i].text, reason), -22);
		assert_string_equal(reason, refused[i].reason);
		assert_memory_equal(&s, &before, sizeof(s));
	}
}

static void long_texts_are_refused(void **state)
{
	struct steering s;
	char text[4096], reason[WHY_MAX];
	size_t n = 0;

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(steering_parse(&s, text, reason), -22);
	text[1024] = '\0'; /* one more than there is room for */
	assert_int_equal(steering_parse(&s, text, reason), -22);
	assert_non_null(strstr(reason, "no word here has more than 1023 characters"));
	text[1023] = '\0';
	assert_int_equal(steering_parse(&s, text, reason), -22);
	assert_non_null(strstr(reason, "is none of equal, weight,"));

	for (n = (size_t)sprintf(text, "table 0"); n < 1000; n += 2)
		strcpy(text + n, ",0");
	assert_int_equal(steering_parse(&s, text, reason), -22);
	assert_string_equal(reason, "table: more than 128 entries");

	for (n = (size_t)sprintf(text, "weight 1"); n < 1000; n += 2)
		strcpy(text + n, " 0");
	assert_int_equal(steering_parse(&s, text, reason), -22);
	assert_string_equal(reason, "weight: more than 128 weights");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_has_defaults),
		cmocka_unit_test(equal_takes_turns),
		cmocka_unit_test(weight_is_proportional_and_in_order),
		cmocka_unit_test(weight_ends_at_the_next_clause),
		cmocka_unit_test(table_is_taken_as_it_is),
		cmocka_unit_test(hkey_is_read_in_order),
		cmocka_unit_test(longer_keys_are_for_comparison),
		cmocka_unit_test(symmetric_is_6d5a),
		cmocka_unit_test(hash_types_add_up),
		cmocka_unit_test(hash_types_take_tunnels),
		cmocka_unit_test(hash_types_have_names),
		cmocka_unit_test(complete_draws_a_key),
		cmocka_unit_test(view_borrows),
		cmocka_unit_test(refusals_say_what_is_wrong),
		cmocka_unit_test(long_texts_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
