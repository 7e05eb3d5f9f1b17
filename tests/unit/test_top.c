/* SPDX-License-Identifier: MIT */
/* rssb top: differences of counters, and views that fit where they are shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands/top/rates.h"
#include "client/cli/commands/top/view.h"

/* Two seconds of traffic on four queues, the first counter wrapping around. */
static struct rates sample(void)
{
	static struct rssb_stats before, after;
	struct rates r;

	memset(&before, 0, sizeof(before));
	before.grant_id = after.grant_id = 17;
	before.time_ns = 5000000000;
	before.queue[0] = (struct rssb_counter){ UINT64_MAX, 100 };
	before.hashed[1] = 50;
	after = before;
	after.time_ns = 7000000000;
	after.queues = 4;
	after.table_len = 128;
	after.queue[0] = (struct rssb_counter){ 1999, 100100 };
	after.queue[1] = (struct rssb_counter){ 1000, 100000 };
	after.queue[3] = (struct rssb_counter){ 1000, 200000 };
	after.entry[2].packets = 1000;
	after.entry[0].packets = 800;
	after.entry[5].packets = 200;
	after.hashed[1] = 3650;
	after.fallback[RSSB_NOT_IP] = 400;
	rates_between(&r, &before, &after);
	r.table = (struct rssb_table){ .queues = 4, .len = 4, .queue = { 0, 0, 1, 3 } };
	return r;
}

static char *render(const struct rates *r, unsigned columns, unsigned rows, bool utf8)
{
	struct view_size size = { columns, rows, utf8 };
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	view_screen(out, r, "web", &size);
	fclose(out);
	return text;
}

static void differences(void **state)
{
	struct rates r = sample();

	assert_int_equal(r.grant_id, 17);
	assert_true(r.seconds == 2.0);
	assert_int_equal(r.queues, 4);
	assert_int_equal(r.queue_packets[0], 2000);
	assert_int_equal(r.queue_bytes[0], 100000);
	assert_int_equal(r.packets, 4000);
	assert_int_equal(r.bytes, 400000);
	assert_int_equal(r.hashed[1], 3600);
	assert_int_equal(r.fallback[RSSB_NOT_IP], 400);
	assert_true(rates_per_second(&r, 2000) == 1000);
	assert_true(rates_share(&r, 0) == 0.5);
	assert_true(rates_share(&r, 2) == 0);
}

static void shares_of_the_table(void **state)
{
	struct rates r = sample();
	uint16_t entries[8];

	assert_true(rates_table_share(&r, 0) == 0.5);
	assert_true(rates_table_share(&r, 2) == 0);
	assert_int_equal(rates_hottest(&r, 8, entries), 3);
	assert_int_equal(entries[0], 2);
	assert_int_equal(entries[2], 5);
	assert_int_equal(rates_hottest(&r, 1, entries), 1);
	r.table.len = 0; /* of a set that was handed over */
	assert_true(rates_table_share(&r, 0) < 0);
}

/* The broker does not know the queues that a guest configures. */
static void queues_that_got_packets_are_shown(void **state)
{
	static struct rssb_stats before, after;
	struct rates r;

	after.queue[6].packets = 1;
	rates_between(&r, &before, &after);
	assert_int_equal(r.queues, 7);
	after.queues = 4;
	rates_between(&r, &before, &after);
	assert_int_equal(r.queues, 7);
	after.queues = 9;
	rates_between(&r, &before, &after);
	assert_int_equal(r.queues, 9);
}

static void nothing_is_no_division_by_zero(void **state)
{
	static struct rssb_stats same = { .queues = 2 };
	struct rates r;
	char *text;

	rates_between(&r, &same, &same);
	assert_true(rates_per_second(&r, 5) == 0);
	assert_true(rates_share(&r, 0) == 0);
	text = render(&r, 80, 24, false);
	assert_non_null(strstr(text, "default queue  nothing\n"));
	assert_null(strchr(text, '#'));
	free(text);
}

static void a_screen_of_80_columns(void **state)
{
	static const char want[] =
		"grant web: 2.00k packets/s, 200k bytes/s\n"
		"\n"
		"queue   packets/s   table   share   bytes/s\n"
		"    0       1.00k   50.0%   50.0%     50.0k  "
		"###################################\n"
		"    1         500   25.0%   25.0%     50.0k  ##################\n"
		"    2           0    0.0%    0.0%         0  \n"
		"    3         500   25.0%   25.0%      100k  ##################\n"
		"\n"
		"hashed         tcp4 1.80k/s\n"
		"default queue  not-ip 200/s\n"
		"hottest        entry 2 25.0% (queue 1)  entry 0 20.0% (queue 0)"
		"  entry 5 5.0%\n";
	struct rates r = sample();
	char *text = render(&r, 80, 24, false);

	assert_string_equal(text, want);
	free(text);
}

/* In characters: a byte that continues one has no column. */
static unsigned columns_of(const char *line, size_t len)
{
	unsigned n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)line[i] & 0xc0) != 0x80;
	return n;
}

static void fits_everywhere(void **state)
{
	struct rates r = sample();

	r.queues = 256;
	for (unsigned i = 0; i < RATES_HASH_TYPES; i++)
		r.hashed[i] = UINT64_MAX - i;
	for (unsigned columns = 1; columns < 700; columns += columns < 90 ? 1 : 37) {
		for (unsigned rows = 1; rows < 300; rows += rows < 30 ? 1 : 41) {
			char *text = render(&r, columns, rows, columns & 1);
			unsigned lines = 0;

			for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
				assert_true(columns_of(line, (size_t)(end - line)) <= columns);
				lines++;
			}
			assert_in_range(lines, 1, rows);
			free(text);
		}
	}
}

static void queues_without_room_are_counted(void **state)
{
	struct rates r = sample();
	char *text = render(&r, 80, 10, false);

	assert_non_null(strstr(text, "\n    1 "));
	assert_null(strstr(text, "\n    2 "));
	assert_non_null(strstr(text, "\n      and 2 more\n"));
	free(text);
	text = render(&r, 80, 11, false);
	assert_non_null(strstr(text, "\n    3 "));
	assert_null(strstr(text, "more"));
	free(text);
}

static void line_is(const struct rates *r, const char *wanted)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	view_line(out, r);
	fclose(out);
	assert_string_equal(text, wanted);
	free(text);
}

static void a_line(void **state)
{
	struct rates r = sample();

	line_is(&r, "2.00k packets/s: 1.00k 500 0 500; default queue: not-ip 200/s\n");
	/* A set that was handed over, and no packet came yet: its queues are not known. */
	r = (struct rates){ .seconds = 1 };
	line_is(&r, "0 packets/s: on no queue yet; default queue: nothing\n");
}

static void json(void **state)
{
	struct rates r = sample();
	struct json_object *root, *queues, *counts;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	view_json(out, &r);
	fclose(out);
	assert_ptr_equal(strchr(text, '\n'), text + len - 1);
	root = json_tokener_parse(text);
	assert_int_equal(json_object_get_int(json_object_object_get(root, "grant")), 17);
	assert_int_equal(json_object_get_int(json_object_object_get(root, "packets")), 4000);
	queues = json_object_object_get(root, "queues");
	assert_int_equal(json_object_array_length(queues), 4);
	counts = json_object_array_get_idx(queues, 3);
	assert_int_equal(json_object_get_int(json_object_object_get(counts, "bytes")), 200000);
	counts = json_object_object_get(root, "hashed");
	assert_int_equal(json_object_get_int(json_object_object_get(counts, "tcp4")), 3600);
	counts = json_object_object_get(root, "default-queue");
	assert_int_equal(json_object_get_int(json_object_object_get(counts, "not-ip")), 400);
	json_object_put(root);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(differences),
		cmocka_unit_test(shares_of_the_table),
		cmocka_unit_test(queues_that_got_packets_are_shown),
		cmocka_unit_test(nothing_is_no_division_by_zero),
		cmocka_unit_test(a_screen_of_80_columns),
		cmocka_unit_test(fits_everywhere),
		cmocka_unit_test(queues_without_room_are_counted),
		cmocka_unit_test(a_line),
		cmocka_unit_test(json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
