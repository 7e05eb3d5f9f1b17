/* SPDX-License-Identifier: MIT */
/*
 * The calls of librssb: what the caller means becomes a request, what the
 * broker grants becomes the caller's.  It must never log, keep state outside a
 * connection, or touch an output parameter of a call that fails.
 */
#include "rssb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "fd.h"
#include "options.h"

static const char *default_path(void)
{
	const char *path = secure_getenv("RSSB_SOCKET");

	return path && *path ? path : RSSB_SOCKET_DEFAULT;
}

int rssb_connect(struct rssb **ret, const char *path)
{
	struct rssb *c = calloc(1, sizeof(*c));

	*ret = c;
	if (!c)
		return -ENOMEM;
	c->sock = -1;
	c->timeout_ms = RSSB_DEFAULT_TIMEOUT_MS;

	return connection_open(c, path ? path : default_path());
}

struct rssb *rssb_close(struct rssb *c)
{
	if (c)
		fd_closep(&c->sock);
	free(c);
	return NULL;
}

void rssb_set_timeout(struct rssb *c, int timeout_ms)
{
	c->timeout_ms = timeout_ms;
}

const char *rssb_reason(const struct rssb *c)
{
	return c->reason;
}

uint32_t rssb_retry_ms(const struct rssb *c)
{
	return c->retry_ms;
}

/* A call whose reply brings no fd. */
static int exchange(struct rssb *c, union rssb_request *request, union rssb_reply_any *ret)
{
	struct packet p;
	int r = connection_exchange(c, request, ret, &p);

	if (r)
		return r;
	if (p.n_fds) {
		packet_done(&p);
		return connection_fail(c, -EPROTO,
				       "the broker's reply has fds that belong to none");
	}
	return 0;
}

int rssb_info(struct rssb *c, struct rssb_info *ret)
{
	union rssb_request request = { .header.op = RSSB_OP_INFO };
	union rssb_reply_any reply;
	int r = exchange(c, &request, &reply);

	if (r)
		return r;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->version, reply.info.version, sizeof(ret->version) - 1);
	ret->n_objects = reply.info.n_objects;
	ret->queues_max = reply.info.queues_max;
	ret->table_max = reply.info.table_max;
	ret->ops = reply.info.ops;
	ret->kinds = reply.info.kinds;
	return 0;
}

static void object_fill(struct rssb_object *ret, const struct rssb_reply_object *reply)
{
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->id, reply->id, sizeof(ret->id));
	memcpy(ret->name, reply->name, sizeof(ret->name) - 1);
	ret->size = reply->size;
	ret->abi = reply->abi;
}

int rssb_object(struct rssb *c, uint32_t index, struct rssb_object *ret)
{
	union rssb_request request = { .header.op = RSSB_OP_OBJECT };
	union rssb_reply_any reply;
	int r;

	request.object.index = index;
	r = exchange(c, &request, &reply);
	if (!r)
		object_fill(ret, &reply.object);
	return r;
}

static void object_ref_fill(struct rssb_object_ref *ref, const uint8_t *id)
{
	ref->by = id ? RSSB_BY_ID : RSSB_BY_ABI;
	ref->abi = id ? 0 : RSSB_ABI_QEMU_RSS_1;
	if (id)
		memcpy(ref->id, id, sizeof(ref->id));
}

static int label_fill(struct rssb *c, char ret[RSSB_LABEL_MAX], const char *label)
{
	if (!rssb_label_valid(label))
		return connection_fail(c, -EINVAL, "a label is 1-%u of A-Z a-z 0-9 . _ -",
				       RSSB_LABEL_MAX);
	memcpy(ret, label, strlen(label));
	return 0;
}

/* Only what cannot be put on the wire is refused here; the broker judges the rest. */
static int steering_fill(struct rssb *c, struct rssb_steering_wire *wire,
			 const struct rssb_steering *given)
{
	struct rssb_steering s;

	if (options_copy(&s, sizeof(s), given))
		return connection_fail(c, -EINVAL, "steering: a field that librssb does not know");
	if (s.table_len > RSSB_TABLE_MAX)
		return connection_fail(c, -EINVAL, "steering: table length is %u, at most %u",
				       s.table_len, RSSB_TABLE_MAX);
	if (!s.key || !s.table)
		return connection_fail(c, -EINVAL, "steering: no %s", s.key ? "table" : "key");

	wire->hash_types = s.hash_types;
	wire->queues = s.queues;
	wire->default_queue = s.default_queue;
	wire->table_len = s.table_len;
	wire->key_len = RSSB_KEY_LEN;
	memcpy(wire->key, s.key, RSSB_KEY_LEN);
	memcpy(wire->table, s.table, s.table_len * sizeof(s.table[0]));
	return 0;
}

static int acquire_fill(struct rssb *c, struct rssb_request_acquire *request,
			const struct rssb_acquire_options *o)
{
	int r = 0;

	request->kind = (uint16_t)o->kind;
	object_ref_fill(&request->object, o->object_id);
	if (o->label)
		r = label_fill(c, request->label, o->label);
	if (r)
		return r;
	if (o->steering)
		return steering_fill(c, &request->steering, o->steering);
	request->flags = RSSB_ACQUIRE_NO_CONFIG;
	return 0;
}

/* Where an fd of this role goes; NULL: nowhere. */
static int *fds_slot(struct rssb_fds *fds, unsigned role)
{
	switch (role) {
	case RSSB_ROLE_PROG:
		return &fds->prog;
	case RSSB_ROLE_CONFIG:
		return &fds->config;
	case RSSB_ROLE_KEY:
		return &fds->key;
	case RSSB_ROLE_TABLE:
		return &fds->table;
	case RSSB_ROLE_LEASE:
		return &fds->lease;
	default:
		return NULL;
	}
}

/* Exactly the roles that a grant of this kind has, in the order of the enum. */
static bool roles_right(const struct rssb_reply *reply, enum rssb_grant_kind kind)
{
	static const uint8_t handoff[] = { RSSB_ROLE_PROG, RSSB_ROLE_CONFIG, RSSB_ROLE_KEY,
					   RSSB_ROLE_TABLE, RSSB_ROLE_LEASE };
	static const uint8_t program_only[] = { RSSB_ROLE_PROG, RSSB_ROLE_LEASE };

	if (kind == RSSB_HANDOFF)
		return reply->n_fds == sizeof(handoff) &&
		       !memcmp(reply->roles, handoff, sizeof(handoff));
	return reply->n_fds == sizeof(program_only) &&
	       !memcmp(reply->roles, program_only, sizeof(program_only));
}

static void fds_take(struct rssb_fds *ret, struct packet *p, const uint8_t *roles)
{
	*ret = (struct rssb_fds)RSSB_FDS_INIT;
	for (size_t i = 0; i < p->n_fds; i++)
		*fds_slot(ret, roles[i]) = fd_take(&p->fds[i]);
	p->n_fds = 0;
}

int rssb_acquire(struct rssb *c, const struct rssb_acquire_options *options,
		 struct rssb_fds *ret_fds, struct rssb_grant *ret_grant)
{
	union rssb_request request = { .header.op = RSSB_OP_ACQUIRE };
	struct rssb_acquire_options o;
	union rssb_reply_any reply;
	struct packet p;
	int r;

	if (options_copy(&o, sizeof(o), options))
		return connection_fail(c, -EINVAL, "acquire: an option that librssb does not know");
	r = acquire_fill(c, &request.acquire, &o);
	if (r)
		return r;
	r = connection_exchange(c, &request, &reply, &p);
	explicit_bzero(&request, sizeof(request)); /* the key */
	if (r)
		return r;

	if (!roles_right(&reply.base, o.kind)) {
		packet_done(&p);
		return connection_fail(c, -EPROTO, "the broker sent other fds than were asked for");
	}
	fds_take(ret_fds, &p, reply.base.roles);
	if (ret_grant) {
		ret_grant->id = reply.acquire.grant_id;
		memcpy(ret_grant->object_id, reply.acquire.object_id, sizeof(ret_grant->object_id));
	}
	return 0;
}

int rssb_release(struct rssb *c, uint64_t id, const char *label)
{
	union rssb_request request = { .header.op = RSSB_OP_RELEASE };
	union rssb_reply_any reply;
	int r = 0;

	if (!id == !label)
		return connection_fail(c, -EINVAL, "a grant is named by its id or by its label");
	request.release.grant.id = id;
	if (label)
		r = label_fill(c, request.release.grant.label, label);
	return r ? r : exchange(c, &request, &reply);
}

int rssb_export(struct rssb *c, const uint8_t *object_id, int *ret_fd,
		struct rssb_object *ret_object)
{
	union rssb_request request = { .header.op = RSSB_OP_EXPORT };
	union rssb_reply_any reply;
	struct packet p;
	int r;

	object_ref_fill(&request.export.object, object_id);
	r = connection_exchange(c, &request, &reply, &p);
	if (r)
		return r;
	if (p.n_fds != 1 || reply.base.roles[0] != RSSB_ROLE_ELF) {
		packet_done(&p);
		return connection_fail(c, -EPROTO, "the broker sent other fds than were asked for");
	}

	*ret_fd = fd_take(&p.fds[0]);
	if (ret_object)
		object_fill(ret_object, &reply.object);
	return 0;
}

void rssb_fds_close(struct rssb_fds *fds)
{
	fd_closep(&fds->prog);
	fd_closep(&fds->config);
	fd_closep(&fds->key);
	fd_closep(&fds->table);
	fd_closep(&fds->lease);
}
