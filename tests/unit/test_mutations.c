/* SPDX-License-Identifier: MIT */
/*
 * The codec against every mutation of every golden message: it must accept
 * exactly what the judge accepts, lose nothing of that, and never read a byte
 * too many (the sanitizers of SAN=1 watch).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "tests/unit/judge.h"
#include "tests/unit/vector.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef void check_fn(const uint8_t *bytes, size_t len);

/* --- one message ------------------------------------------------------------ */

/* A copy with nothing behind its last byte. */
static uint8_t *exact_copy(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	return memcpy(copy, bytes, len);
}

/* A refusal says why, keeps op and tag for the reply, and hands out nothing else. */
static void check_refusal(const uint8_t *bytes, size_t len, const union rssb_request *got,
			  const struct rssb_refusal *why)
{
	static const uint8_t untouched[sizeof(*got)] = { 0 };

	assert_in_range(why->status, RSSB_MALFORMED, RSSB_INVALID);
	assert_in_range(strnlen(why->reason, sizeof(why->reason)), 10, sizeof(why->reason) - 1);
	assert_int_equal(got->header.op, len < 16 ? 0 : judge_int(bytes, 6, 2));
	assert_int_equal(got->header.tag, len < 16 ? 0 : judge_int(bytes, 12, 4));
	assert_memory_equal((const uint8_t *)got + 16, untouched, sizeof(*got) - 16);
}

static void check_request(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = exact_copy(bytes, len);
	union rssb_request got = { 0 };
	struct rssb_refusal why;
	int r = rssb_request_decode(&got, copy, len, &why);

	free(copy);
	assert_int_equal(r, judge_request(bytes, len) ? 0 : -EINVAL);
	if (r) {
		check_refusal(bytes, len, &got, &why);
		return;
	}
	assert_int_equal(rssb_request_encode(&got), len);
	assert_memory_equal(&got, bytes, len);
}

static void check_reply(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = exact_copy(bytes, len);
	union rssb_reply_any got;
	int r;

	got.base.header.magic = 0xa5a5a5a5;
	r = rssb_reply_decode(&got, copy, len);
	free(copy);
	assert_int_equal(r == 0, judge_reply(bytes, len));
	if (r) {
		assert_true(r == -EBADMSG || r == -EPROTONOSUPPORT);
		assert_int_equal(got.base.header.magic, 0xa5a5a5a5); /* untouched */
		return;
	}
	assert_int_equal(rssb_reply_encode(&got), len);
	assert_memory_equal(&got, bytes, len);
}

/* --- its mutations ------------------------------------------------------------- */

/* Each bit, and each byte to the values that boundaries are made of. */
static void mutate(struct vector *v, check_fn *check)
{
	static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };

	for (size_t at = 0; at < v->len; at++) {
		uint8_t right = v->bytes[at];

		for (unsigned bit = 0; bit < 8; bit++) {
			v->bytes[at] = right ^ (uint8_t)(1u << bit);
			check(v->bytes, v->len);
		}
		for (size_t i = 0; i < COUNT(values); i++) {
			v->bytes[at] = values[i];
			check(v->bytes, v->len);
		}
		v->bytes[at] = right;
	}
}

/* Every shorter packet and some longer ones, with the header's length right and wrong. */
static void resize(struct vector *v, check_fn *check)
{
	size_t right = v->len;

	memset(v->bytes + v->len, 0, sizeof(v->bytes) - v->len);
	for (size_t len = 0; len <= right + 8; len++) {
		vector_set_length(v, right);
		check(v->bytes, len);
		vector_set_length(v, len);
		check(v->bytes, len);
	}
	vector_set_length(v, right);
}

/* Every golden message whose name matches. */
static void each_vector(const char *pattern, check_fn *check)
{
	char path[64];
	glob_t found;

	snprintf(path, sizeof(path), "tests/vectors/%s.hex", pattern);
	assert_int_equal(glob(path, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char *name = basename(found.gl_pathv[i]);
		struct vector v;

		*strrchr(name, '.') = '\0';
		vector_read(&v, name);
		check(v.bytes, v.len);
		mutate(&v, check);
		resize(&v, check);
	}
	globfree(&found);
}

static void requests(void **state)
{
	each_vector("request-*", check_request);
}

static void bad_requests(void **state)
{
	each_vector("bad-*", check_request);
}

static void replies(void **state)
{
	each_vector("reply-[!s]*", check_reply);
}

/* STATS alone is long. */
static void reply_of_stats(void **state)
{
	each_vector("reply-s*", check_reply);
}

static void refusals(void **state)
{
	each_vector("refusal-*", check_reply);
}

/* Messages of every length with no right byte, and with a right header alone. */
static void nonsense(void **state)
{
	struct vector v, header;
	uint32_t x = 1;

	vector_read(&header, "request-info");
	for (size_t i = 0; i < sizeof(v.bytes); i++)
		v.bytes[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
	for (size_t len = 0; len < sizeof(v.bytes); len += len < 600 ? 1 : 61) {
		check_request(v.bytes, len);
		check_reply(v.bytes, len);
	}
	memcpy(v.bytes, header.bytes, header.len);
	for (unsigned op = 0; op < 65536; op++) {
		v.bytes[6] = (uint8_t)op;
		v.bytes[7] = (uint8_t)(op >> 8);
		vector_set_length(&v, 392);
		check_request(v.bytes, 392);
		vector_set_length(&v, 192);
		check_reply(v.bytes, 192);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests), cmocka_unit_test(bad_requests),
		cmocka_unit_test(replies),  cmocka_unit_test(reply_of_stats),
		cmocka_unit_test(refusals), cmocka_unit_test(nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
