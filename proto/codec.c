/* SPDX-License-Identifier: MIT */
/* Bytes <-> structs of rssb_proto.h, by one table of operations.  Must stay pure. */
#include "proto/codec.h"

#include <errno.h>
#include <string.h>

#include "proto/validate.h"

/* One row an operation: all that the codec knows of it. */
static const struct op {
	const char *name;
	size_t request_len, reply_len;
	int (*validate)(const union rssb_request *, struct rssb_refusal *);
} ops[] = {
	[RSSB_OP_INFO] = { "INFO", sizeof(struct rssb_request_info), sizeof(struct rssb_reply_info),
			   NULL },
	[RSSB_OP_OBJECT] = { "OBJECT", sizeof(struct rssb_request_object),
			     sizeof(struct rssb_reply_object), validate_object },
	[RSSB_OP_ACQUIRE] = { "ACQUIRE", sizeof(struct rssb_request_acquire),
			      sizeof(struct rssb_reply_acquire), validate_acquire },
	[RSSB_OP_RELEASE] = { "RELEASE", sizeof(struct rssb_request_release),
			      sizeof(struct rssb_reply), validate_release },
	[RSSB_OP_EXPORT] = { "EXPORT", sizeof(struct rssb_request_export),
			     sizeof(struct rssb_reply_object), validate_export },
	[RSSB_OP_UPDATE] = { "UPDATE", sizeof(struct rssb_request_update),
			     sizeof(struct rssb_reply), validate_update },
	[RSSB_OP_STATS] = { "STATS", sizeof(struct rssb_request_stats),
			    sizeof(struct rssb_reply_stats), validate_stats },
	[RSSB_OP_STATUS] = { "STATUS", sizeof(struct rssb_request_status),
			     sizeof(struct rssb_reply_status), NULL },
	[RSSB_OP_GRANT] = { "GRANT", sizeof(struct rssb_request_grant),
			    sizeof(struct rssb_reply_grant), NULL },
	[RSSB_OP_MOVE] = { "MOVE", sizeof(struct rssb_request_move), sizeof(struct rssb_reply_move),
			   validate_move },
};

static const struct op *op_find(unsigned op)
{
	return op < sizeof(ops) / sizeof(ops[0]) && ops[op].name ? &ops[op] : NULL;
}

static int header_check(const struct rssb_header *h, size_t len, struct rssb_refusal *why)
{
	if (len < sizeof(*h))
		return rssb_refuse(why, RSSB_MALFORMED,
				   "a message has at least %zu bytes, this has %zu", sizeof(*h),
				   len);
	if (len > RSSB_REQUEST_MAX)
		return rssb_refuse(why, RSSB_MALFORMED,
				   "a request has at most %u bytes, this has %zu", RSSB_REQUEST_MAX,
				   len);
	if (h->magic != RSSB_PROTO_MAGIC)
		return rssb_refuse(why, RSSB_MALFORMED, "magic is 0x%08x, must be 0x%08x", h->magic,
				   RSSB_PROTO_MAGIC);
	if (h->version != RSSB_PROTO_VERSION)
		return rssb_refuse(why, RSSB_VERSION,
				   "protocol version is %u, this broker speaks %u", h->version,
				   RSSB_PROTO_VERSION);
	if (h->length != len)
		return rssb_refuse(why, RSSB_MALFORMED,
				   "the header says %u bytes, the packet has %zu", h->length, len);
	return 0;
}

static int body_check(const union rssb_request *r, size_t len, struct rssb_refusal *why)
{
	const struct op *op = op_find(r->header.op);

	if (!op)
		return rssb_refuse(why, RSSB_UNKNOWN_OP, "operation %u is not known here",
				   r->header.op);
	if (len != op->request_len)
		return rssb_refuse(why, RSSB_MALFORMED, "%s has %zu bytes, this has %zu", op->name,
				   op->request_len, len);
	return op->validate ? op->validate(r, why) : 0;
}

int rssb_request_decode(union rssb_request *ret, const void *buf, size_t len,
			struct rssb_refusal *ret_why)
{
	int err;

	memset(ret_why, 0, sizeof(*ret_why));
	memset(ret, 0, sizeof(*ret));
	if (len >= sizeof(ret->header))
		memcpy(ret, buf, len < sizeof(*ret) ? len : sizeof(*ret));
	err = header_check(&ret->header, len, ret_why) ?: body_check(ret, len, ret_why);
	if (err) /* the reply needs the header; nobody may use the rest */
		memset((char *)ret + sizeof(ret->header), 0, sizeof(*ret) - sizeof(ret->header));
	return err;
}

static void header_fill(struct rssb_header *h, size_t len)
{
	h->magic = RSSB_PROTO_MAGIC;
	h->version = RSSB_PROTO_VERSION;
	h->length = (uint32_t)len;
}

size_t rssb_request_encode(union rssb_request *r)
{
	const struct op *op = op_find(r->header.op);

	if (!op)
		return 0;
	header_fill(&r->header, op->request_len);
	return op->request_len;
}

/* What a reply to op with this status measures; an op that nobody knows has no body. */
static size_t reply_len(const struct op *op, unsigned status)
{
	return op && status == RSSB_OK ? op->reply_len : sizeof(struct rssb_reply);
}

/* Ends within its field, and may go to a terminal, and between quotes. */
static bool name_is_plain(const char name[RSSB_NAME_MAX])
{
	for (size_t i = 0; i < RSSB_NAME_MAX; i++) {
		if (!name[i])
			return true;
		if (name[i] < ' ' || name[i] > '~' || name[i] == '"' || name[i] == '\\')
			return false;
	}
	return false;
}

static bool label_is_plain(const char label[RSSB_LABEL_MAX])
{
	size_t n = 0;

	while (n < RSSB_LABEL_MAX && rssb_label_char(label[n]))
		n++;
	return n == RSSB_LABEL_MAX || !label[n];
}

/* Whether each text in a reply to op is one; of a reason only that it ends: it is a sentence. */
static bool reply_texts_right(const union rssb_reply_any *r, const struct op *op)
{
	if (r->base.reason[RSSB_REASON_MAX - 1])
		return false;
	if (op == &ops[RSSB_OP_INFO])
		return name_is_plain(r->info.version);
	if (op == &ops[RSSB_OP_OBJECT] || op == &ops[RSSB_OP_EXPORT])
		return name_is_plain(r->object.name);
	return op != &ops[RSSB_OP_GRANT] || label_is_plain(r->grant.label);
}

/* Whether len bytes are a reply; its base.  *ret_op: to what; NULL: to nothing that is known. */
static int reply_base_decode(struct rssb_reply *ret, const void *buf, size_t len,
			     const struct op **ret_op)
{
	if (len < sizeof(*ret))
		return -EBADMSG;
	memcpy(ret, buf, sizeof(*ret));
	if (ret->header.magic != RSSB_PROTO_MAGIC)
		return -EBADMSG;
	if (ret->header.version != RSSB_PROTO_VERSION)
		return -EPROTONOSUPPORT;
	*ret_op = op_find(ret->header.op & ~RSSB_OP_REPLY);
	if (!(ret->header.op & RSSB_OP_REPLY) || ret->header.length != len ||
	    len != reply_len(*ret_op, ret->status) || ret->n_fds > RSSB_FDS_MAX)
		return -EBADMSG;
	return 0;
}

int rssb_reply_decode(union rssb_reply_any *ret, const void *buf, size_t len)
{
	const size_t base_len = sizeof(struct rssb_reply);
	union rssb_reply_any r; /* the largest is thirty times ACQUIRE's: only its own is set */
	const struct op *op;
	size_t full_len;
	int err = reply_base_decode(&r.base, buf, len, &op);

	if (err)
		return err;
	full_len = reply_len(op, RSSB_OK);
	memset((char *)&r + base_len, 0, full_len - base_len);
	memcpy((char *)&r + base_len, (const char *)buf + base_len, len - base_len);
	if (!reply_texts_right(&r, op))
		return -EBADMSG;
	memcpy(ret, &r, full_len);
	return 0;
}

void rssb_reply_init(union rssb_reply_any *ret, unsigned op)
{
	memset(ret, 0, reply_len(op_find(op), RSSB_OK));
	ret->base.header.op = (uint16_t)(op | RSSB_OP_REPLY);
}

size_t rssb_reply_encode(union rssb_reply_any *r)
{
	const struct op *op = op_find(r->base.header.op & ~RSSB_OP_REPLY);
	size_t len = reply_len(op, r->base.status);

	header_fill(&r->base.header, len);
	return len;
}

const char *rssb_op_name(unsigned op)
{
	const struct op *found = op_find(op);

	return found ? found->name : "?";
}
