/* SPDX-License-Identifier: MIT */
/*
 * The one judge of a request's values.  Pure; a refusal names the field, the
 * value and the allowed range, and never quotes a client's bytes.
 */
#include "proto/validate.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Refuses by *why, a parameter of each function that uses it; -EINVAL. */
#define INVALID(...) rssb_refuse(why, RSSB_INVALID, __VA_ARGS__)

int rssb_refuse(struct rssb_refusal *ret, enum rssb_status status, const char *format, ...)
{
	va_list args;

	ret->status = status;
	va_start(args, format);
	vsnprintf(ret->reason, sizeof(ret->reason), format, args);
	va_end(args);
	return -EINVAL;
}

static bool all_zero(const void *p, size_t len)
{
	const uint8_t *bytes = p;
	uint8_t seen = 0;

	for (size_t i = 0; i < len; i++)
		seen |= bytes[i];
	return !seen;
}

bool rssb_label_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

/* Length of the leading run of label characters, at most max. */
static size_t label_span(const char *label, size_t max)
{
	size_t n = 0;

	while (n < max && rssb_label_char(label[n]))
		n++;
	return n;
}

/* All digits would name a grant by its id. */
bool rssb_label_valid(const char *label)
{
	size_t n = label_span(label, RSSB_LABEL_MAX);

	return n > 0 && label[n] == '\0' && label[strspn(label, "0123456789")];
}

/* A label field: valid characters, then zeros. */
static int check_label(const char label[RSSB_LABEL_MAX], struct rssb_refusal *why)
{
	size_t n = label_span(label, RSSB_LABEL_MAX);

	if (!all_zero(label + n, RSSB_LABEL_MAX - n))
		return INVALID(
			"label byte %zu is 0x%02x, allowed are A-Z a-z 0-9 . _ - and zeros behind",
			n, (unsigned char)label[n]);
	return 0;
}

/* The label of a grant that is to be made: one of digits alone could never be named. */
static int check_new_label(const char label[RSSB_LABEL_MAX], struct rssb_refusal *why)
{
	size_t n = 0;

	while (n < RSSB_LABEL_MAX && label[n] >= '0' && label[n] <= '9')
		n++;
	if (n && all_zero(label + n, RSSB_LABEL_MAX - n))
		return INVALID("label %.*s is all digits, and that names a grant by its id", (int)n,
			       label);
	return check_label(label, why);
}

static int check_reserved(const void *reserved, size_t len, const char *where,
			  struct rssb_refusal *why)
{
	if (!all_zero(reserved, len))
		return INVALID("reserved bytes of %s must be zero", where);
	return 0;
}

static int check_object_ref(const struct rssb_object_ref *o, struct rssb_refusal *why)
{
	bool id_zero = all_zero(o->id, sizeof(o->id));

	if (check_reserved(o->reserved, sizeof(o->reserved), "object", why))
		return -EINVAL;
	if (o->by != RSSB_BY_ABI && o->by != RSSB_BY_ID)
		return INVALID("object.by is %u, allowed are %d (ABI) and %d (id)", o->by,
			       RSSB_BY_ABI, RSSB_BY_ID);
	if (o->by == RSSB_BY_ABI && !id_zero)
		return INVALID("object.id must be zero when object.by is %d (ABI)", RSSB_BY_ABI);
	if (o->by == RSSB_BY_ABI && o->abi != RSSB_ABI_QEMU_RSS_1)
		return INVALID("object.abi is %u, known is %d (qemu-rss-1)", o->abi,
			       RSSB_ABI_QEMU_RSS_1);
	if (o->by == RSSB_BY_ID && o->abi)
		return INVALID("object.abi is %u, must be 0 when object.by is %d (id)", o->abi,
			       RSSB_BY_ID);
	return 0;
}

static int check_table(const struct rssb_steering_wire *s, struct rssb_refusal *why)
{
	unsigned len = s->table_len;

	if (len < 1 || len > RSSB_TABLE_MAX || (len & (len - 1)))
		return INVALID("table_len is %u, allowed is a power of two from 1 to %u", len,
			       RSSB_TABLE_MAX);
	for (unsigned i = 0; i < len; i++) {
		if (s->table[i] >= s->queues)
			return INVALID("table[%u] is %u, allowed is 0 to %u (queues is %u)", i,
				       s->table[i], s->queues - 1, s->queues);
	}
	if (!all_zero(s->table + len, (RSSB_TABLE_MAX - len) * sizeof(s->table[0])))
		return INVALID("table entries from table_len (%u) on must be zero", len);
	return 0;
}

/* may_keep_key: in an UPDATE, where a key_len of 0 keeps the key that is there. */
static int check_steering(const struct rssb_steering_wire *s, bool may_keep_key,
			  struct rssb_refusal *why)
{
	if (check_reserved(s->reserved, sizeof(s->reserved), "steering", why))
		return -EINVAL;
	if (s->hash_types & ~(RSSB_HASH_ALL | RSSB_TUNNELS_ALL))
		return INVALID("hash_types is 0x%x, known bits are 0x%x", s->hash_types,
			       RSSB_HASH_ALL | RSSB_TUNNELS_ALL);
	if (s->queues < 1 || s->queues > RSSB_QUEUES_MAX)
		return INVALID("queues is %u, allowed is 1 to %u", s->queues, RSSB_QUEUES_MAX);
	if (s->default_queue >= s->queues)
		return INVALID("default_queue is %u, allowed is 0 to %u (queues is %u)",
			       s->default_queue, s->queues - 1, s->queues);
	if (s->key_len != RSSB_KEY_LEN && (s->key_len || !may_keep_key))
		return INVALID("key_len is %u, must be %u", s->key_len, RSSB_KEY_LEN);
	if (!s->key_len && !all_zero(s->key, sizeof(s->key)))
		return INVALID("key must be zero when key_len is 0");
	return check_table(s, why);
}

int validate_object(const union rssb_request *r, struct rssb_refusal *why)
{
	return check_reserved(r->object.reserved, sizeof(r->object.reserved), "OBJECT", why);
}

/* Which flags go with which kind. */
static int check_acquire_flags(const struct rssb_request_acquire *a, struct rssb_refusal *why)
{
	if (a->flags & ~RSSB_ACQUIRE_FLAGS_ALL)
		return INVALID("flags is 0x%x, known bits are 0x%x", a->flags,
			       RSSB_ACQUIRE_FLAGS_ALL);
	if ((a->flags & RSSB_ACQUIRE_NO_CONFIG) && a->kind != RSSB_KIND_HANDOFF)
		return INVALID(
			"flag NO_CONFIG goes with kind %d (handoff) only: nobody could fill the "
			"maps",
			RSSB_KIND_HANDOFF);
	if ((a->flags & RSSB_ACQUIRE_KEEP) && a->kind == RSSB_KIND_HANDOFF)
		return INVALID("flag KEEP does not go with kind %d (handoff): a lease must end it",
			       RSSB_KIND_HANDOFF);
	if ((a->flags & RSSB_ACQUIRE_STATS) && a->object.by != RSSB_BY_ABI)
		return INVALID("flag STATS chooses the object: object.by must be %d (ABI)",
			       RSSB_BY_ABI);
	return 0;
}

int validate_acquire(const union rssb_request *r, struct rssb_refusal *why)
{
	const struct rssb_request_acquire *a = &r->acquire;

	if (check_reserved(a->reserved, sizeof(a->reserved), "ACQUIRE", why) ||
	    check_object_ref(&a->object, why) || check_new_label(a->label, why))
		return -EINVAL;
	if (a->kind < RSSB_KIND_HANDOFF || a->kind > RSSB_KIND_MANAGED)
		return INVALID(
			"kind is %u, known are %d (handoff), %d (program-only), %d (managed)",
			a->kind, RSSB_KIND_HANDOFF, RSSB_KIND_PROGRAM_ONLY, RSSB_KIND_MANAGED);
	if (check_acquire_flags(a, why))
		return -EINVAL;
	if (a->flags & RSSB_ACQUIRE_NO_CONFIG) {
		if (!all_zero(&a->steering, sizeof(a->steering)))
			return INVALID("steering must be zero with flag NO_CONFIG");
	} else if (check_steering(&a->steering, false, why)) {
		return -EINVAL;
	}
	if (a->kind == RSSB_KIND_HANDOFF && a->steering.hash_types & RSSB_TUNNELS_ALL)
		return INVALID(
			"hash_types is 0x%x, with tunnels, which kind %d (handoff) cannot have: "
			"its maps are as QEMU knows them",
			a->steering.hash_types, RSSB_KIND_HANDOFF);
	return 0;
}

static int check_grant_ref(const struct rssb_grant_ref *g, struct rssb_refusal *why)
{
	bool labelled = g->label[0] != '\0';

	if (check_label(g->label, why))
		return -EINVAL;
	if (!g->id && !labelled)
		return INVALID(
			"grant.id is 0 and there is no label: name the grant by one of them");
	if (g->id && labelled)
		return INVALID("grant has both an id and a label: name it by one of them");
	return 0;
}

int validate_release(const union rssb_request *r, struct rssb_refusal *why)
{
	return check_grant_ref(&r->release.grant, why);
}

int validate_update(const union rssb_request *r, struct rssb_refusal *why)
{
	if (check_grant_ref(&r->update.grant, why))
		return -EINVAL;
	return check_steering(&r->update.steering, true, why);
}

/* What the grant's table allows is for the broker to check. */
static int check_move(const struct rssb_request_move *m, unsigned i, struct rssb_refusal *why)
{
	const struct rssb_move_wire *move = &m->move[i];

	if (check_reserved(move->reserved, sizeof(move->reserved), "move", why))
		return -EINVAL;
	if (move->entry >= RSSB_TABLE_MAX)
		return INVALID("move[%u].entry is %u, allowed is 0 to %u", i, move->entry,
			       RSSB_TABLE_MAX - 1);
	for (unsigned j = 0; j < i; j++) {
		if (m->move[j].entry == move->entry)
			return INVALID(
				"move[%u].entry is %u, as move[%u].entry is: each entry moves once",
				i, move->entry, j);
	}
	return 0;
}

int validate_move(const union rssb_request *r, struct rssb_refusal *why)
{
	const struct rssb_request_move *m = &r->move;

	if (check_grant_ref(&m->grant, why) ||
	    check_reserved(m->reserved, sizeof(m->reserved), "MOVE", why))
		return -EINVAL;
	if (m->n > RSSB_MOVES_MAX)
		return INVALID("n is %u, allowed is 0 to %u", m->n, RSSB_MOVES_MAX);
	for (unsigned i = 0; i < m->n; i++) {
		if (check_move(m, i, why))
			return -EINVAL;
	}
	if (!all_zero(m->move + m->n, (RSSB_MOVES_MAX - m->n) * sizeof(m->move[0])))
		return INVALID("moves from n (%u) on must be zero", m->n);
	return 0;
}

int validate_stats(const union rssb_request *r, struct rssb_refusal *why)
{
	return check_grant_ref(&r->stats.grant, why);
}

int validate_export(const union rssb_request *r, struct rssb_refusal *why)
{
	return check_object_ref(&r->export.object, why);
}
