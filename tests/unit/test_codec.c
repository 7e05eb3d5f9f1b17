/* SPDX-License-Identifier: MIT */
/*
 * The codec against the golden messages of tests/vectors/, both ways,;
 * test_mutations.c has what is wrong with a message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "tests/unit/judge.h"
#include "tests/unit/vector.h"
#include "tests/unit/vector_fields.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- both ways ----------------------------------------------------------------- */

static void requests_both_ways(void **state)
{
	for (size_t i = 0; i < COUNT(requests); i++) {
		union rssb_request want = request_fields(&requests[i]), wire = want, got = { 0 };
		struct rssb_refusal why;
		struct vector v;

		vector_read(&v, requests[i].vector);
		assert_int_equal(rssb_request_encode(&wire), v.len);
		assert_memory_equal(&wire, v.bytes, v.len);

		assert_true(judge_request(v.bytes, v.len));
		assert_int_equal(rssb_request_decode(&got, v.bytes, v.len, &why), 0);
		fill_header(&want.header, v.len);
		assert_memory_equal(&got, &want, sizeof(got));
		assert_int_equal(why.status, RSSB_OK);
		assert_int_equal(why.reason[0], 0);
	}
}

static void replies_both_ways(void **state)
{
	for (size_t i = 0; i < COUNT(replies); i++) {
		union rssb_reply_any want = reply_fields(&replies[i]), wire = want, got;
		struct vector v;

		vector_read(&v, replies[i].vector);
		assert_int_equal(rssb_reply_encode(&wire), v.len);
		assert_memory_equal(&wire, v.bytes, v.len);

		assert_true(judge_reply(v.bytes, v.len));
		memset(&got, 0, sizeof(got)); /* only what such a reply has is written */
		assert_int_equal(rssb_reply_decode(&got, v.bytes, v.len), 0);
		fill_header(&want.base.header, v.len);
		assert_memory_equal(&got, &want, sizeof(got));
	}
}

/* What was refused nobody can use by mistake. */
static void assert_header_alone(const union rssb_request *r)
{
	static const union rssb_request none;
	const size_t at = sizeof(r->header);

	assert_memory_equal((const char *)r + at, (const char *)&none + at, sizeof(none) - at);
}

static void refused_requests(void **state)
{
	for (size_t i = 0; i < COUNT(refused); i++) {
		union rssb_reply_any reply = { 0 };
		union rssb_request got;
		struct rssb_refusal why;
		struct vector v;
		size_t len;

		vector_read(&v, refused[i].vector);
		assert_int_equal(rssb_request_decode(&got, v.bytes, v.len, &why), -EINVAL);
		assert_header_alone(&got);
		reply.base.header.op = got.header.op | RSSB_OP_REPLY;
		reply.base.header.tag = got.header.tag;
		reply.base.status = (uint16_t)why.status;
		memcpy(reply.base.reason, why.reason, sizeof(why.reason));
		len = rssb_reply_encode(&reply);
		assert_is_vector(&reply, len, refused[i].refusal);
	}
}

/* --- refusals ----------------------------------------------------------------- */

/* A request with everything wrong that a header can say. */
static void header_fields(void **state)
{
	static const struct {
		const char *what;
		size_t at, size;
		uint64_t value;
		enum rssb_status status;
		const char *reason;
	} rows[] = {
		{ "magic 0", 0, 4, 0, RSSB_MALFORMED, "magic is 0x00000000, must be 0x42535352" },
		{ "the magic's last byte", 3, 1, 0x43, RSSB_MALFORMED,
		  "magic is 0x43535352, must be 0x42535352" },
		{ "version 0", 4, 2, 0, RSSB_VERSION,
		  "protocol version is 0, this broker speaks 1" },
		{ "version 255", 4, 2, 255, RSSB_VERSION,
		  "protocol version is 255, this broker speaks 1" },
		{ "op 0", 6, 2, 0, RSSB_UNKNOWN_OP, "operation 0 is not known here" },
		{ "op 11", 6, 2, 11, RSSB_UNKNOWN_OP, "operation 11 is not known here" },
		{ "a reply's op", 6, 2, 0x8001, RSSB_UNKNOWN_OP,
		  "operation 32769 is not known here" },
		{ "op 65535", 6, 2, 65535, RSSB_UNKNOWN_OP, "operation 65535 is not known here" },
		{ "length 15", 8, 4, 15, RSSB_MALFORMED,
		  "the header says 15 bytes, the packet has 16" },
		{ "length 17", 8, 4, 17, RSSB_MALFORMED,
		  "the header says 17 bytes, the packet has 16" },
		{ "length 0xffffffff", 8, 4, 0xffffffff, RSSB_MALFORMED,
		  "the header says 4294967295 bytes, the packet has 16" },
		{ "another op's length", 6, 2, RSSB_OP_ACQUIRE, RSSB_MALFORMED,
		  "ACQUIRE has 392 bytes, this has 16" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		union rssb_request got;
		struct rssb_refusal why;
		struct vector v;

		print_message("%s\n", rows[i].what);
		vector_read(&v, "request-info");
		for (size_t j = 0; j < rows[i].size; j++)
			v.bytes[rows[i].at + j] = (uint8_t)(rows[i].value >> 8 * j);
		assert_int_equal(rssb_request_decode(&got, v.bytes, v.len, &why), -EINVAL);
		assert_int_equal(why.status, rows[i].status);
		assert_string_equal(why.reason, rows[i].reason);
	}
}

static int decode_reply(const struct vector *v)
{
	union rssb_reply_any got;

	return rssb_reply_decode(&got, v->bytes, v->len);
}

/* A reply must have no more fds than roles, the length of its operation, and a reason that ends. */
static void refused_replies(void **state)
{
	struct vector v;

	vector_read(&v, "reply-info");
	v.bytes[offsetof(struct rssb_reply, n_fds)] = RSSB_FDS_MAX;
	assert_int_equal(decode_reply(&v), 0);
	v.bytes[offsetof(struct rssb_reply, n_fds)] = RSSB_FDS_MAX + 1;
	assert_int_equal(decode_reply(&v), -EBADMSG);
	vector_read(&v, "reply-info");
	v.bytes[offsetof(struct rssb_reply, reason) + RSSB_REASON_MAX - 1] = 'x';
	assert_int_equal(decode_reply(&v), -EBADMSG);
	vector_read(&v, "reply-info");
	v.len += 4;
	v.bytes[offsetof(struct rssb_header, length)] = (uint8_t)v.len;
	v.bytes[offsetof(struct rssb_header, length) + 1] = (uint8_t)(v.len >> 8);
	assert_int_equal(decode_reply(&v), -EBADMSG);
}

static void refuse_length(size_t len, const char *reason)
{
	uint8_t *bytes = calloc(1, len + 1);
	union rssb_request got;
	struct rssb_refusal why;
	struct vector v;

	vector_read(&v, "request-info");
	vector_set_length(&v, len);
	memcpy(bytes, v.bytes, len < 16 ? len : 16);
	assert_int_equal(rssb_request_decode(&got, bytes, len, &why), -EINVAL);
	assert_int_equal(why.status, RSSB_MALFORMED);
	assert_string_equal(why.reason, reason);
	free(bytes);
}

static void fault_6_packet_lengths(void **state)
{
	refuse_length(0, "a message has at least 16 bytes, this has 0");
	refuse_length(1, "a message has at least 16 bytes, this has 1");
	refuse_length(15, "a message has at least 16 bytes, this has 15");
	refuse_length(17, "INFO has 16 bytes, this has 17");
	refuse_length(512, "INFO has 16 bytes, this has 512");
	refuse_length(513, "a request has at most 512 bytes, this has 513");
	refuse_length(65536, "a request has at most 512 bytes, this has 65536");
}

static void unknown_op_is_not_encoded(void **state)
{
	union rssb_request r = { .header.op = 11 };

	assert_int_equal(rssb_request_encode(&r), 0);
	r.header.op = 0;
	assert_int_equal(rssb_request_encode(&r), 0);
}

/* --- small things -------------------------------------------------------------------- */

static void refusal_is_cut_to_fit(void **state)
{
	struct rssb_refusal why = { 0 };

	assert_int_equal(rssb_refuse(&why, RSSB_INVALID, "%0300d", 7), -EINVAL);
	assert_int_equal(strlen(why.reason), RSSB_REASON_MAX - 1);
	assert_int_equal(why.status, RSSB_INVALID);
}

static void names(void **state)
{
	char hex[2 * RSSB_OBJECT_ID_LEN + 1];

	assert_string_equal(rssb_op_name(RSSB_OP_INFO), "INFO");
	assert_string_equal(rssb_op_name(RSSB_OP_STATS), "STATS");
	assert_string_equal(rssb_op_name(0), "?");
	assert_string_equal(rssb_op_name(65535), "?");
	assert_string_equal(rssb_status_name(RSSB_OK), "ok");
	assert_string_equal(rssb_status_name(RSSB_WRONG_KIND), "wrong-kind");
	assert_string_equal(rssb_status_name(RSSB_TIMEOUT), "timeout");
	assert_string_equal(rssb_status_name(RSSB_TIMEOUT + 1), "?");
	assert_string_equal(rssb_abi_name(RSSB_ABI_QEMU_RSS_1), "qemu-rss-1");
	assert_string_equal(rssb_abi_name(0), "?");
	rssb_object_id_format(hex, object_id);
	assert_string_equal(hex,
			    "21033071abdf2b87c52955053b619d66436f86b3245b7d83c64f46ef2f525cd8");
}

static void labels(void **state)
{
	assert_true(rssb_label_valid("a"));
	assert_true(rssb_label_valid("AZaz09._-0123456"));
	assert_true(rssb_label_valid("12a"));
	assert_false(rssb_label_valid("12"));
	assert_false(rssb_label_valid("0123456789012345"));
	assert_false(rssb_label_valid(""));
	assert_false(rssb_label_valid("AZaz09._-01234567"));
	assert_false(rssb_label_valid("a b"));
	assert_false(rssb_label_valid("a/"));
	assert_false(rssb_label_valid("\xc3\xa4"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_both_ways),
		cmocka_unit_test(replies_both_ways),
		cmocka_unit_test(refused_requests),
		cmocka_unit_test(header_fields),
		cmocka_unit_test(refused_replies),
		cmocka_unit_test(fault_6_packet_lengths),
		cmocka_unit_test(unknown_op_is_not_encoded),
		cmocka_unit_test(refusal_is_cut_to_fit),
		cmocka_unit_test(names),
		cmocka_unit_test(labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
