/* SPDX-License-Identifier: MIT */
/* Bytes <-> structs of rssb_proto.h, by one table of operations.  Must stay pure. */
#include "proto/codec.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "proto/validate.h"

/*
 * Byte order.  Each function turns wire order into host order and back: the
 * two are the same operation.  On little-endian hosts they are empty.
 */
static void header_swap(struct rssb_header *h)
{
	h->magic = le32toh(h->magic);
	h->version = le16toh(h->version);
	h->op = le16toh(h->op);
	h->length = le32toh(h->length);
	h->tag = le32toh(h->tag);
}

static void object_ref_swap(struct rssb_object_ref *o)
{
	o->by = le16toh(o->by);
	o->abi = le16toh(o->abi);
}

static void table_swap(uint16_t table[RSSB_TABLE_MAX])
{
	for (size_t i = 0; i < RSSB_TABLE_MAX; i++)
		table[i] = le16toh(table[i]);
}

static void steering_swap(struct rssb_steering_wire *s)
{
	s->hash_types = le32toh(s->hash_types);
	s->queues = le16toh(s->queues);
	s->default_queue = le16toh(s->default_queue);
	s->table_len = le16toh(s->table_len);
	s->key_len = le16toh(s->key_len);
	table_swap(s->table);
}

static void request_object_swap(union rssb_request *r)
{
	r->object.index = le32toh(r->object.index);
}

static void request_acquire_swap(union rssb_request *r)
{
	r->acquire.kind = le16toh(r->acquire.kind);
	r->acquire.flags = le16toh(r->acquire.flags);
	object_ref_swap(&r->acquire.object);
	steering_swap(&r->acquire.steering);
}

static void request_release_swap(union rssb_request *r)
{
	r->release.grant.id = le64toh(r->release.grant.id);
}

static void request_export_swap(union rssb_request *r)
{
	object_ref_swap(&r->export.object);
}

static void request_update_swap(union rssb_request *r)
{
	r->update.grant.id = le64toh(r->update.grant.id);
	steering_swap(&r->update.steering);
}

static void request_stats_swap(union rssb_request *r)
{
	r->stats.grant.id = le64toh(r->stats.grant.id);
}

static void request_grant_swap(union rssb_request *r)
{
	r->grant.after = le64toh(r->grant.after);
}

static void request_move_swap(union rssb_request *r)
{
	struct rssb_request_move *m = &r->move;

	m->grant.id = le64toh(m->grant.id);
	m->n = le16toh(m->n);
	for (size_t i = 0; i < RSSB_MOVES_MAX; i++) {
		m->move[i].entry = le16toh(m->move[i].entry);
		m->move[i].from = le16toh(m->move[i].from);
		m->move[i].to = le16toh(m->move[i].to);
	}
}

static void reply_swap(struct rssb_reply *r)
{
	header_swap(&r->header);
	r->status = le16toh(r->status);
	r->n_fds = le16toh(r->n_fds);
	r->retry_ms = le32toh(r->retry_ms);
}

static void reply_info_swap(union rssb_reply_any *r)
{
	r->info.n_objects = le32toh(r->info.n_objects);
	r->info.queues_max = le16toh(r->info.queues_max);
	r->info.table_max = le16toh(r->info.table_max);
	r->info.ops = le32toh(r->info.ops);
	r->info.kinds = le32toh(r->info.kinds);
}

static void reply_object_swap(union rssb_reply_any *r)
{
	r->object.size = le32toh(r->object.size);
	r->object.abi = le16toh(r->object.abi);
}

static void reply_acquire_swap(union rssb_reply_any *r)
{
	r->acquire.grant_id = le64toh(r->acquire.grant_id);
}

static void u64s_swap(uint64_t *u, size_t n)
{
	for (size_t i = 0; i < n; i++)
		u[i] = le64toh(u[i]);
}

static void counts_swap(struct rssb_count *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		c[i].packets = le64toh(c[i].packets);
		c[i].bytes = le64toh(c[i].bytes);
	}
}

static void reply_stats_swap(union rssb_reply_any *r)
{
	r->stats.grant_id = le64toh(r->stats.grant_id);
	r->stats.time_ns = le64toh(r->stats.time_ns);
	r->stats.queues = le16toh(r->stats.queues);
	r->stats.table_len = le16toh(r->stats.table_len);
	r->stats.hash_types = le32toh(r->stats.hash_types);
	u64s_swap(r->stats.hashed, RSSB_HASH_TYPES);
	u64s_swap(r->stats.fallback, RSSB_FALLBACKS);
	counts_swap(r->stats.queue, RSSB_QUEUES_MAX);
	counts_swap(r->stats.entry, RSSB_TABLE_MAX);
}

static void reply_status_swap(union rssb_reply_any *r)
{
	struct rssb_reply_status *s = &r->status;

	s->connections = le32toh(s->connections);
	s->grants = le32toh(s->grants);
	s->all = le32toh(s->all);
	s->ready = le32toh(s->ready);
	u64s_swap(&s->uptime_ms, 1);
	u64s_swap(&s->memory_used, 1);
	u64s_swap(&s->memory_limit, 1);
	u64s_swap(&s->loads, 1);
	u64s_swap(&s->load_failures, 1);
	u64s_swap(s->requests, RSSB_COUNTERS);
	u64s_swap(s->refusals, RSSB_COUNTERS);
	u64s_swap(s->latency, RSSB_LATENCY_BINS);
	u64s_swap(&s->latency_sum_ns, 1);
}

static void reply_grant_swap(union rssb_reply_any *r)
{
	struct rssb_reply_grant *g = &r->grant;

	u64s_swap(&g->id, 1);
	u64s_swap(&g->age_ms, 1);
	g->uid = le32toh(g->uid);
	g->pid = le32toh(g->pid);
	g->kind = le16toh(g->kind);
	g->flags = le16toh(g->flags);
	g->queues = le16toh(g->queues);
	g->table_len = le16toh(g->table_len);
	g->hash_types = le32toh(g->hash_types);
}

static void reply_move_swap(union rssb_reply_any *r)
{
	r->move.grant_id = le64toh(r->move.grant_id);
	r->move.queues = le16toh(r->move.queues);
	r->move.table_len = le16toh(r->move.table_len);
	table_swap(r->move.table);
}

/* One row an operation: all that the codec knows of it. */
static const struct op {
	const char *name;
	size_t request_len, reply_len;
	void (*request_swap)(union rssb_request *);
	void (*reply_swap)(union rssb_reply_any *);
	int (*validate)(const union rssb_request *, struct rssb_refusal *);
} ops[] = {
	[RSSB_OP_INFO] = { "INFO", sizeof(struct rssb_request_info), sizeof(struct rssb_reply_info),
			   NULL, reply_info_swap, NULL },
	[RSSB_OP_OBJECT] = { "OBJECT", sizeof(struct rssb_request_object),
			     sizeof(struct rssb_reply_object), request_object_swap,
			     reply_object_swap, validate_object },
	[RSSB_OP_ACQUIRE] = { "ACQUIRE", sizeof(struct rssb_request_acquire),
			      sizeof(struct rssb_reply_acquire), request_acquire_swap,
			      reply_acquire_swap, validate_acquire },
	[RSSB_OP_RELEASE] = { "RELEASE", sizeof(struct rssb_request_release),
			      sizeof(struct rssb_reply), request_release_swap, NULL,
			      validate_release },
	[RSSB_OP_EXPORT] = { "EXPORT", sizeof(struct rssb_request_export),
			     sizeof(struct rssb_reply_object), request_export_swap,
			     reply_object_swap, validate_export },
	[RSSB_OP_UPDATE] = { "UPDATE", sizeof(struct rssb_request_update),
			     sizeof(struct rssb_reply), request_update_swap, NULL,
			     validate_update },
	[RSSB_OP_STATS] = { "STATS", sizeof(struct rssb_request_stats),
			    sizeof(struct rssb_reply_stats), request_stats_swap, reply_stats_swap,
			    validate_stats },
	[RSSB_OP_STATUS] = { "STATUS", sizeof(struct rssb_request_status),
			     sizeof(struct rssb_reply_status), NULL, reply_status_swap, NULL },
	[RSSB_OP_GRANT] = { "GRANT", sizeof(struct rssb_request_grant),
			    sizeof(struct rssb_reply_grant), request_grant_swap, reply_grant_swap,
			    NULL },
	[RSSB_OP_MOVE] = { "MOVE", sizeof(struct rssb_request_move), sizeof(struct rssb_reply_move),
			   request_move_swap, reply_move_swap, validate_move },
};

static const struct op *op_find(unsigned op)
{
	return op < sizeof(ops) / sizeof(ops[0]) && ops[op].name ? &ops[op] : NULL;
}

/* Reads as much of the header as there is, for a reply that can be matched. */
static void header_read(struct rssb_header *ret, const void *buf, size_t len)
{
	memset(ret, 0, sizeof(*ret));
	if (len < sizeof(*ret))
		return;
	memcpy(ret, buf, sizeof(*ret));
	header_swap(ret);
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

int rssb_request_decode(union rssb_request *ret, const void *buf, size_t len,
			struct rssb_refusal *ret_why)
{
	union rssb_request r = { 0 };
	const struct op *op;
	int err;

	memset(ret_why, 0, sizeof(*ret_why));
	header_read(&ret->header, buf, len);
	err = header_check(&ret->header, len, ret_why);
	if (err)
		return err;

	op = op_find(ret->header.op);
	if (!op)
		return rssb_refuse(ret_why, RSSB_UNKNOWN_OP, "operation %u is not known here",
				   ret->header.op);
	if (len != op->request_len)
		return rssb_refuse(ret_why, RSSB_MALFORMED, "%s has %zu bytes, this has %zu",
				   op->name, op->request_len, len);

	memcpy(&r, buf, len);
	header_swap(&r.header);
	if (op->request_swap)
		op->request_swap(&r);
	err = op->validate ? op->validate(&r, ret_why) : 0;
	if (!err)
		*ret = r;
	explicit_bzero(&r, sizeof(r)); /* it may hold a key */
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
	if (op->request_swap)
		op->request_swap(r);
	header_swap(&r->header);
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
	reply_swap(ret);
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
	union rssb_reply_any
		r; /* the largest reply is thirty times ACQUIRE's: only its own is set */
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
	if (len > base_len)
		op->reply_swap(&r);
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
	if (len > sizeof(r->base))
		op->reply_swap(r);
	reply_swap(&r->base);
	return len;
}

const char *rssb_op_name(unsigned op)
{
	const struct op *found = op_find(op);

	return found ? found->name : "?";
}
