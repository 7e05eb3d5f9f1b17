/* SPDX-License-Identifier: MIT */
/* The pieces that QMP's text passes through: frames, JSON in and out, base64 back to bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/qmp_server/frame.h"
#include "client/cli/qmp_server/json.h"
#include "client/cli/util/base64.h"

/* Everything that comes of the bytes, as "M" message, "S" stray, "L" too long. */
static void frames_of(const char *data, size_t len, size_t step, char *ret)
{
	struct qmp_frame *f = malloc(sizeof(*f));

	qmp_frame_init(f);
	for (size_t at = 0; at < len;) {
		const size_t n = len - at < step ? len - at : step;
		enum qmp_frame_event event;

		at += qmp_frame_feed(f, data + at, n, &event);
		assert_true(f->len <= QMP_MESSAGE_MAX);
		if (event != QMP_FRAME_MORE)
			*ret++ = " MSL"[event];
	}
	*ret = '\0';
	free(f);
}

static void frames_end_where_qemu_ends_them(void **state)
{
	static const struct {
		const char *data, *events;
	} rows[] = {
		{ "", "" },	  { " \t\r\n", "" },   { "{}", "M" },	   { "{}{}", "MM" },
		{ "{\n}", "M" },  { "{\"}\"}", "M" },  { "{'}'}", "M" },   { "{'\\'}'}", "M" },
		{ "[{]}", "M" },  { "nope ", "M" },    { "nope", "" },	   { "1 2 ", "MM" },
		{ "1{}", "MM" },  { "}", "M" },	       { ",", "M" },	   { "@x\n{}", "SM" },
		{ "@x{}", "SM" }, { "{\x01{}", "SM" }, { "\xff{}", "SM" }, { "{\"a\xff{}", "SM" },
		{ "01\n", "S" },  { "1.x\n", "S" },    { "-\n", "S" },	   { "0e0 ", "MMM" },
	};
	char events[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t step = 1; step < 4; step++) {
			frames_of(rows[i].data, strlen(rows[i].data), step, events);
			assert_string_equal(events, rows[i].events);
		}
	}
}

static void too_long_a_message_is_one_event(void **state)
{
	const size_t len = 3 * QMP_MESSAGE_MAX;
	char *data = malloc(len + 16), events[64];

	memset(data, ' ', len);
	data[0] = '[';
	strcpy(data + len, "1]\n{}\n");
	frames_of(data, len + 6, 100, events);
	assert_string_equal(events, "LM"); /* what is left of the line is skipped */

	data[QMP_MESSAGE_MAX - 1] = ']';
	frames_of(data, QMP_MESSAGE_MAX, 4096, events);
	assert_string_equal(events, "M");
	data[QMP_MESSAGE_MAX - 1] = ' ';
	data[QMP_MESSAGE_MAX] = ']';
	frames_of(data, QMP_MESSAGE_MAX + 1, 4096, events);
	assert_string_equal(events, "L");
	free(data);
}

/* Whatever the bytes: it takes them all, and what it calls a message can be parsed or refused. */
static void random_bytes_are_framed_and_parsed(void **state)
{
	static const char likely[] = "{}[]:,\"\"''\\u0d8c1e-. \n\x01\xff\xc3\xa9ntrue";
	struct qmp_frame *f = malloc(sizeof(*f));
	uint32_t x = 2463534242, messages = 0;

	qmp_frame_init(f);
	for (int i = 0; i < 400000; i++) {
		enum qmp_frame_event event;
		const char *why;
		char c;

		x ^= x << 13, x ^= x >> 17, x ^= x << 5;
		c = x >> 8 & 3 ? likely[(x >> 16) % (sizeof(likely) - 1)] : (char)(x >> 16);
		while (!qmp_frame_feed(f, &c, 1, &event))
			assert_int_not_equal(event, QMP_FRAME_MORE);
		if (event != QMP_FRAME_MESSAGE)
			continue;
		messages++;
		json_object_put(qmp_json_parse(f->text, &why));
	}
	assert_true(messages > 1000);
	free(f);
}

/* Each byte of a message may grow; the longest ones must still have room. */
static void worst_messages_have_room(void **state)
{
	static const char *const parts[] = { "\\b", "\\u0001", "\\u00e9", "'", "\\\"", "\xc3\xa9" };
	char text[QMP_MESSAGE_MAX + 1];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const char quote = parts[i][0] == '\'' ? '"' : '\'';
		const size_t n = (QMP_MESSAGE_MAX - 2) / strlen(parts[i]);
		struct json_object *value;
		const char *why;
		char *at = text;

		*at++ = quote;
		for (size_t k = 0; k < n; k++)
			at = stpcpy(at, parts[i]);
		*at++ = quote;
		*at = '\0';
		value = qmp_json_parse(text, &why);
		assert_null(why);
		assert_true(json_object_is_type(value, json_type_string));
		json_object_put(value);
	}
	memset(text, '1', QMP_MESSAGE_MAX);
	text[QMP_MESSAGE_MAX] = '\0';
	{
		const char *why;
		struct json_object *value = qmp_json_parse(text, &why);

		assert_null(why);
		assert_true(json_object_is_type(value, json_type_double));
		json_object_put(value);
	}
}

static void lines_are_ascii(void **state)
{
	static const struct {
		const char *text, *line;
	} rows[] = {
		{ "{'a': [1, 'b,c:d', {}], 'e': null}",
		  "{\"a\": [1, \"b,c:d\", {}], \"e\": null}\r\n" },
		{ "'\\\\'", "\"\\\\\"\r\n" },
		{ "'\\\",:\\\\\"'", "\"\\\",:\\\\\\\"\"\r\n" },
		{ "'a/b\\u007f\\u00e9\\u20ac\\ud83d\\ude00\\u0000'",
		  "\"a/b\\u007F\\u00E9\\u20AC\\uD83D\\uDE00\\u0000\"\r\n" },
		{ "'\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xc0\x80\x7f'",
		  "\"\\u00E9\\u20AC\\uD83D\\uDE00\\u0000\\u007F\"\r\n" },
		{ "{'\\u0000': 1, '\\u0000a': 2}", "{\"\\u0000\": 1, \"\\u0000a\": 2}\r\n" },
		{ "18446744073709551616", "18446744073709551616.0\r\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *why;
		struct json_object *value = qmp_json_parse(rows[i].text, &why);
		char *line;

		assert_null(why);
		line = qmp_json_line(value);
		assert_string_equal(line, rows[i].line);
		free(line);
		json_object_put(value);
	}
}

/* Any code in 1 to 4 bytes, U+0000 in two.  Returns how many. */
static size_t utf8_write(char *ret, uint32_t code)
{
	static const unsigned char first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	const size_t n = code == 0	  ? 2
			 : code < 0x80	  ? 1
			 : code < 0x800	  ? 2
			 : code < 0x10000 ? 3
					  : 4;

	for (size_t i = n; --i > 0; code >>= 6)
		ret[i] = (char)(0x80 | (code & 0x3f));
	ret[0] = (char)(first[n] | code);
	return n;
}

static void utf8_is_decoded(void **state)
{
	for (uint32_t code = 0; code <= 0x110000; code++) {
		char text[5] = { 0 };
		uint32_t back = UINT32_MAX;
		size_t n;

		n = utf8_write(text, code);
		if (!qmp_utf8_valid(code)) {
			assert_int_equal(qmp_utf8_decode(text, &back), 0);
			continue;
		}
		assert_int_equal(qmp_utf8_decode(text, &back), n);
		assert_int_equal(back, code);
		text[n - 1] = '\0';
		if (n > 1)
			assert_int_equal(qmp_utf8_decode(text, &back), 0);
	}
}

/* Both sides of every bound, as Unicode draws them. */
static void utf8_bounds(void **state)
{
	static const struct {
		const char *text;
		size_t len; /* 0: refused */
	} rows[] = {
		{ "\x7f", 1 },
		{ "\x80", 0 },
		{ "\xbf", 0 },
		{ "\xc0\x80", 2 },
		{ "\xc0\x81", 0 },
		{ "\xc1\xbf", 0 },
		{ "\xc2\x80", 2 },
		{ "\xc3\x29", 0 },
		{ "\xc3\xc0", 0 },
		{ "\xdf\xbf", 2 },
		{ "\xe0\x80\x80", 0 },
		{ "\xe0\x9f\xbf", 0 },
		{ "\xe0\xa0\x80", 3 },
		{ "\xed\x9f\xbf", 3 },
		{ "\xed\xa0\x80", 0 },
		{ "\xed\xbf\xbf", 0 },
		{ "\xee\x80\x80", 3 },
		{ "\xef\xb7\x8f", 3 },
		{ "\xef\xb7\x90", 0 },
		{ "\xef\xb7\xaf", 0 },
		{ "\xef\xb7\xb0", 3 },
		{ "\xef\xbf\xbd", 3 },
		{ "\xef\xbf\xbe", 0 },
		{ "\xef\xbf\xbf", 0 },
		{ "\xf0\x80\x80\x80", 0 },
		{ "\xf0\x8f\xbf\xbd", 0 },
		{ "\xf0\x90\x80\x80", 4 },
		{ "\xf0\x9f\xbf\xbe", 0 },
		{ "\xf4\x8f\xbf\xbd", 4 },
		{ "\xf4\x8f\xbf\xbf", 0 },
		{ "\xf4\x90\x80\x80", 0 },
		{ "\xf8\x90\x80\x80", 0 },
	};
	uint32_t code;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t got = qmp_utf8_decode(rows[i].text, &code);

		if (got != rows[i].len)
			fail_msg("row %zu: %zu bytes, expected %zu", i, got, rows[i].len);
	}
}

static void base64_is_read_back(void **state)
{
	static const char *const bad[] = { "A",	    "AB",	"ABC",	"A===", "====",
					   "QR==",  "QUJ=",	"Q=Q=", "AB=C", "AB C",
					   "AB\nC", "QQ==QQ==", "-_-_" };
	uint8_t bytes[300], back[300];

	for (size_t len = 0; len < sizeof(bytes); len++) {
		char *text;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)(i * 151 + len);
		text = base64_text(bytes, len);
		assert_int_equal(base64_decode(back, text, strlen(text)), len);
		assert_memory_equal(back, bytes, len);
		free(text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(base64_decode(back, bad[i], strlen(bad[i])), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_end_where_qemu_ends_them),
		cmocka_unit_test(too_long_a_message_is_one_event),
		cmocka_unit_test(random_bytes_are_framed_and_parsed),
		cmocka_unit_test(worst_messages_have_room),
		cmocka_unit_test(lines_are_ascii),
		cmocka_unit_test(utf8_is_decoded),
		cmocka_unit_test(utf8_bounds),
		cmocka_unit_test(base64_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
