/* SPDX-License-Identifier: MIT */
/*
 * Bytes <-> structs of rssb_proto.h, and the one validator of requests.  Pure:
 * no system call, no allocation, no state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/rssb_proto.h"
#include "proto/text.h"

/* Any request; header.op says which. */
union rssb_request {
	struct rssb_header header;
	struct rssb_request_info info;
	struct rssb_request_object object;
	struct rssb_request_acquire acquire;
	struct rssb_request_release release;
	struct rssb_request_export export;
	struct rssb_request_update update;
	struct rssb_request_stats stats;
	struct rssb_request_status status;
	struct rssb_request_grant grant;
	struct rssb_request_move move;
};

/* Any reply; base.header.op says which. */
union rssb_reply_any {
	struct rssb_reply base;
	struct rssb_reply_info info;
	struct rssb_reply_object object;
	struct rssb_reply_acquire acquire;
	struct rssb_reply_stats stats;
	struct rssb_reply_status status;
	struct rssb_reply_grant grant;
	struct rssb_reply_move move;
};

/* Why a request was refused: what its reply will say. */
struct rssb_refusal {
	enum rssb_status status;
	uint32_t retry_ms;
	char reason[RSSB_REASON_MAX];
};

/* Fills *ret; the reason is cut to fit.  Returns -EINVAL, for `return refuse(...)`. */
int rssb_refuse(struct rssb_refusal *ret, enum rssb_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Accepts exactly one well-formed and valid request of len bytes.  0 with *ret;
 * or -EINVAL with *ret_why, and *ret zero but for ret->header, as far as it could be read.
 */
int rssb_request_decode(union rssb_request *ret, const void *buf, size_t len,
			struct rssb_refusal *ret_why);

/*
 * Fills magic, version, length into r->header (op and tag are the caller's): then its bytes are
 * the wire's.  Returns its length, 0 for an unknown op.
 */
size_t rssb_request_encode(union rssb_request *r);

/*
 * Accepts exactly one well-formed reply.  0 with *ret, where strings are NUL-terminated and
 * the body of a failed reply to its operation is zero; -EBADMSG: it is not one;
 * -EPROTONOSUPPORT: of another version.
 */
int rssb_reply_decode(union rssb_reply_any *ret, const void *buf, size_t len);

/* Makes *ret the empty reply to an operation, known or not: as long as such a reply gets. */
void rssb_reply_init(union rssb_reply_any *ret, unsigned op);

/* As rssb_request_encode(); a failed reply is its base alone. */
size_t rssb_reply_encode(union rssb_reply_any *r);

/* A-Z a-z 0-9 . _ - */
bool rssb_label_char(char c);

/* 1-16 of these, not all digits. */
bool rssb_label_valid(const char *label);

/* "?" for an unknown one. */
const char *rssb_op_name(unsigned op);
