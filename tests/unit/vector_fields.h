/* SPDX-License-Identifier: MIT */
/*
 * What the golden messages of tests/vectors/ say, as the structs of the codec;
 * magic, version and length are left to the encoder.
 */
#pragma once

#include <string.h>

#include "proto/codec.h"

#define GRANT_ID 0x000123456789abcdull
static const uint8_t object_id[RSSB_OBJECT_ID_LEN] = {
	0x21, 0x03, 0x30, 0x71, 0xab, 0xdf, 0x2b, 0x87, 0xc5, 0x29, 0x55,
	0x05, 0x3b, 0x61, 0x9d, 0x66, 0x43, 0x6f, 0x86, 0xb3, 0x24, 0x5b,
	0x7d, 0x83, 0xc6, 0x4f, 0x46, 0xef, 0x2f, 0x52, 0x5c, 0xd8,
};

#define STEERING(types, n, by_default, len, ...)                                                   \
	{                                                                                          \
		.hash_types = (types), .queues = (n), .default_queue = (by_default),               \
		.table_len = (len), .key_len = 40, .table = { __VA_ARGS__ },                       \
		.key = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,               \
			 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,               \
			 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,               \
			 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa },             \
	}

static const struct request_row {
	const char *vector;
	union rssb_request fields;
} requests[] = {
	{ "request-info", { .info = { .header = { .op = RSSB_OP_INFO, .tag = 1 } } } },
	{ "request-object",
	  { .object = { .header = { .op = RSSB_OP_OBJECT, .tag = 2 }, .index = 1 } } },
	{ "request-acquire-handoff",
	  { .acquire = { .header = { .op = RSSB_OP_ACQUIRE, .tag = 0x01020304 },
			 .kind = RSSB_KIND_HANDOFF,
			 .object = { .by = RSSB_BY_ABI, .abi = RSSB_ABI_QEMU_RSS_1 },
			 .label = "web-1",
			 .steering = STEERING(0x1ff, 4, 1, 8, 0, 1, 2, 3, 3, 2, 1, 0) } } },
	{ "request-acquire-no-config",
	  { .acquire = { .header = { .op = RSSB_OP_ACQUIRE, .tag = 4 },
			 .kind = RSSB_KIND_HANDOFF,
			 .flags = RSSB_ACQUIRE_NO_CONFIG,
			 .object = { .by = RSSB_BY_ABI, .abi = RSSB_ABI_QEMU_RSS_1 } } } },
	{ "request-acquire-program-only",
	  { .acquire = { .header = { .op = RSSB_OP_ACQUIRE, .tag = 5 },
			 .kind = RSSB_KIND_PROGRAM_ONLY,
			 .object = { .by = RSSB_BY_ID },
			 .label = { 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', '.', 'L', 'M',
				    'N', '_', '6' },
			 .steering = STEERING(0x12, 256, 255, 1, 255) } } },
	{ "request-acquire-managed",
	  { .acquire = { .header = { .op = RSSB_OP_ACQUIRE, .tag = 14 },
			 .kind = RSSB_KIND_MANAGED,
			 .flags = RSSB_ACQUIRE_STATS | RSSB_ACQUIRE_KEEP,
			 .object = { .by = RSSB_BY_ABI, .abi = RSSB_ABI_QEMU_RSS_1 },
			 .label = "web-2",
			 .steering = STEERING(0x3f, 4, 0, 4, 0, 1, 2, 3) } } },
	{ "request-release-id",
	  { .release = { .header = { .op = RSSB_OP_RELEASE, .tag = 6 },
			 .grant = { .id = GRANT_ID } } } },
	{ "request-release-label",
	  { .release = { .header = { .op = RSSB_OP_RELEASE, .tag = 7 },
			 .grant = { .label = "web-1" } } } },
	{ "request-export-abi",
	  { .export = { .header = { .op = RSSB_OP_EXPORT, .tag = 8 },
			.object = { .by = RSSB_BY_ABI, .abi = RSSB_ABI_QEMU_RSS_1 } } } },
	{ "request-export-id",
	  { .export = { .header = { .op = RSSB_OP_EXPORT, .tag = 9 },
			.object = { .by = RSSB_BY_ID } } } },
	{ "request-update",
	  { .update = { .header = { .op = RSSB_OP_UPDATE, .tag = 15 },
			.grant = { .label = "web-2" },
			.steering = STEERING(0x12, 3, 2, 2, 0, 1) } } },
	{ "request-update-keep-key",
	  { .update = { .header = { .op = RSSB_OP_UPDATE, .tag = 17 },
			.grant = { .id = GRANT_ID },
			.steering = { .hash_types = 0x1ff,
				      .queues = 2,
				      .table_len = 2,
				      .table = { 1, 0 } } } } },
	{ "request-stats",
	  { .stats = { .header = { .op = RSSB_OP_STATS, .tag = 16 },
		       .grant = { .id = GRANT_ID } } } },
	{ "request-status", { .status = { .header = { .op = RSSB_OP_STATUS, .tag = 17 } } } },
	{ "request-grant", { .grant = { .header = { .op = RSSB_OP_GRANT, .tag = 18 } } } },
	{ "request-move",
	  { .move = { .header = { .op = RSSB_OP_MOVE, .tag = 19 },
		      .grant = { .label = "web-2" },
		      .n = 2,
		      .move = { { .entry = 0, .from = 0, .to = 3 },
				{ .entry = 5, .from = 1, .to = 2 } } } } },
};

#define OK(the_op, the_tag, ...)                                                                   \
	.reply = { .header = { .op = (the_op) | RSSB_OP_REPLY, .tag = (the_tag) }, __VA_ARGS__ }
#define REFUSED(the_op, the_tag, the_status, the_reason)                                           \
	{                                                                                          \
		.base = {                                                                          \
			.header = { .op = (the_op) | RSSB_OP_REPLY, .tag = (the_tag) },            \
			.status = (the_status),                                                    \
			.reason = the_reason                                                       \
		}                                                                                  \
	}

static const struct reply_row {
	const char *vector;
	union rssb_reply_any fields;
} replies[] = {
	{ "reply-info",
	  { .info = { OK(RSSB_OP_INFO, 1, ), .version = "0.1.0", .n_objects = 2, .queues_max = 256,
		      .table_max = 128, .ops = 0x7fe, .kinds = 0xe } } },
	{ "reply-object",
	  { .object = { OK(RSSB_OP_OBJECT, 2, ), .name = "rss", .size = 20208, .abi = 1 } } },
	{ "reply-acquire-handoff",
	  { .acquire = { OK(RSSB_OP_ACQUIRE, 0x01020304, .n_fds = 5, .roles = { 1, 2, 3, 4, 5 }),
			 .grant_id = GRANT_ID } } },
	{ "reply-acquire-program-only",
	  { .acquire = { OK(RSSB_OP_ACQUIRE, 5, .n_fds = 2, .roles = { 1, 5 }),
			 .grant_id = GRANT_ID } } },
	{ "reply-acquire-managed",
	  { .acquire = { OK(RSSB_OP_ACQUIRE, 14, .n_fds = 1, .roles = { 1 }),
			 .grant_id = GRANT_ID } } },
	{ "reply-release",
	  { .base = { .header = { .op = RSSB_OP_RELEASE | RSSB_OP_REPLY, .tag = 6 } } } },
	{ "reply-export",
	  { .object = { OK(RSSB_OP_EXPORT, 8, .n_fds = 1, .roles = { 6 }), .name = "rss",
			.size = 20208, .abi = 1 } } },
	{ "reply-update",
	  { .base = { .header = { .op = RSSB_OP_UPDATE | RSSB_OP_REPLY, .tag = 15 } } } },
	{ "reply-stats",
	  { .stats = { OK(RSSB_OP_STATS, 16, ), .grant_id = GRANT_ID, .time_ns = 5000000000,
		       .queues = 3, .table_len = 2, .hash_types = 0x12, .hashed = { [1] = 100 },
		       .fallback = { [RSSB_FALLBACK_NOT_IP] = 1 },
		       .queue = { { 60, 6000 }, { 40, 4000 }, { 1, 60 } },
		       .entry = { { 60, 6000 }, { 40, 4000 } } } } },
	{ "reply-status",
	  { .status = { OK(RSSB_OP_STATUS, 17, ), .uptime_ms = 5000, .connections = 3, .grants = 2,
			.all = 1, .ready = 9, .memory_used = 1 << 20, .memory_limit = 16 << 20,
			.loads = 11, .requests = { [RSSB_OP_INFO] = 4, [RSSB_OP_ACQUIRE] = 2 },
			.refusals = { [RSSB_LIMIT] = 1 }, .latency = { [7] = 2 },
			.latency_sum_ns = 125000 } } },
	{ "reply-grant",
	  { .grant = { OK(RSSB_OP_GRANT, 18, ), .id = GRANT_ID, .age_ms = 60000, .uid = 1000,
		       .pid = 4242, .kind = RSSB_KIND_MANAGED,
		       .flags = RSSB_ACQUIRE_STATS | RSSB_ACQUIRE_KEEP, .queues = 4,
		       .table_len = 128, .hash_types = 0x3f, .label = "web-1" } } },
	{ "reply-move",
	  { .move = { OK(RSSB_OP_MOVE, 19, ), .grant_id = GRANT_ID, .queues = 4, .table_len = 8,
		      .table = { 3, 1, 2, 3, 0, 2, 2, 3 } } } },
	{ "refusal-malformed",
	  REFUSED(RSSB_OP_INFO, 10, RSSB_MALFORMED, "magic is 0x52535342, must be 0x42535352") },
	{ "refusal-unreadable", REFUSED(0, 0, RSSB_MALFORMED, "an empty packet is not a request") },
	{ "refusal-version",
	  REFUSED(RSSB_OP_INFO, 11, RSSB_VERSION, "protocol version is 2, this broker speaks 1") },
	{ "refusal-unknown-op",
	  REFUSED(4919, 12, RSSB_UNKNOWN_OP, "operation 4919 is not known here") },
	{ "refusal-invalid", REFUSED(RSSB_OP_ACQUIRE, 13, RSSB_INVALID,
				     "table[2] is 4, allowed is 0 to 3 (queues is 4)") },
	{ "refusal-denied",
	  REFUSED(RSSB_OP_INFO, 1, RSSB_DENIED,
		  "uid 1000 is not allowed here: rss-broker serves only the users "
		  "and groups that its --allow-user and --allow-group name") },
	{ "refusal-no-object",
	  REFUSED(RSSB_OP_EXPORT, 9, RSSB_NO_OBJECT,
		  "no object of that id or ABI here; `rssb info` lists them") },
	{ "refusal-no-grant",
	  REFUSED(RSSB_OP_RELEASE, 6, RSSB_NO_GRANT, "no such grant, or not yours") },
	{ "refusal-label-taken", REFUSED(RSSB_OP_ACQUIRE, 0x01020304, RSSB_LABEL_TAKEN,
					 "another grant of yours has label web-1") },
	{ "refusal-busy",
	  { .base = { .header = { .op = RSSB_OP_ACQUIRE | RSSB_OP_REPLY, .tag = 4 },
		      .status = RSSB_BUSY,
		      .retry_ms = 1000,
		      .reason = "no set is ready; come back in 1000 ms" } } },
	{ "refusal-limit",
	  REFUSED(RSSB_OP_ACQUIRE, 4, RSSB_LIMIT,
		  "live grants of your account: 64 of 64 in use; free some, or come back later") },
	{ "refusal-internal",
	  REFUSED(RSSB_OP_EXPORT, 8, RSSB_INTERNAL, "cannot make a memfd: Too many open files") },
	{ "refusal-wrong-kind", REFUSED(RSSB_OP_UPDATE, 15, RSSB_WRONG_KIND,
					"grant 320255973501901 is not managed: only its holder can "
					"change its steering") },
	{ "refusal-timeout", REFUSED(0, 0, RSSB_TIMEOUT, "no request came within 1000 ms") },
};

/* Requests that are refused, and the reply in which the broker says why. */
static const struct {
	const char *vector, *refusal;
} refused[] = {
	{ "bad-magic", "refusal-malformed" },
	{ "bad-version", "refusal-version" },
	{ "bad-op", "refusal-unknown-op" },
	{ "bad-queue", "refusal-invalid" },
};

static union rssb_request request_fields(const struct request_row *row)
{
	union rssb_request r = row->fields;

	if (r.header.op == RSSB_OP_ACQUIRE && r.acquire.object.by == RSSB_BY_ID)
		memcpy(r.acquire.object.id, object_id, sizeof(object_id));
	if (r.header.op == RSSB_OP_EXPORT && r.export.object.by == RSSB_BY_ID)
		memcpy(r.export.object.id, object_id, sizeof(object_id));
	return r;
}

static union rssb_reply_any reply_fields(const struct reply_row *row)
{
	union rssb_reply_any r = row->fields;
	unsigned op = r.base.header.op & ~RSSB_OP_REPLY;

	if (r.base.status)
		return r;
	if (op == RSSB_OP_ACQUIRE)
		memcpy(r.acquire.object_id, object_id, sizeof(object_id));
	else if (op == RSSB_OP_GRANT)
		memcpy(r.grant.object_id, object_id, sizeof(object_id));
	else if (op == RSSB_OP_OBJECT || op == RSSB_OP_EXPORT)
		memcpy(r.object.id, object_id, sizeof(object_id));
	return r;
}

/* What encode fills in by itself. */
static void fill_header(struct rssb_header *h, size_t len)
{
	h->magic = RSSB_PROTO_MAGIC;
	h->version = RSSB_PROTO_VERSION;
	h->length = (uint32_t)len;
}
