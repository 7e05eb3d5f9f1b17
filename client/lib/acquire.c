/* SPDX-License-Identifier: MIT */
/*
 * rssb_acquire(): asks for a set, and takes it only if it is what was asked
 * for.  It must never leave an fd open that the caller did not get.
 */
#include <errno.h>
#include <string.h>

#include "client/include/rssb.h"
#include "client/lib/connection.h"
#include "client/lib/fill.h"
#include "proto/util/fd.h"

static int acquire_flags(struct rssb *c, const struct rssb_acquire_options *o, uint16_t *ret)
{
	if (o->flags & ~(uint32_t)(RSSB_GRANT_STATS | RSSB_GRANT_KEEP))
		return connection_fail(c, -EINVAL, "acquire: flags 0x%x: librssb does not know all",
				       o->flags);
	*ret = 0;
	if (o->flags & RSSB_GRANT_STATS)
		*ret |= RSSB_ACQUIRE_STATS;
	if (o->flags & RSSB_GRANT_KEEP)
		*ret |= RSSB_ACQUIRE_KEEP;
	if (!o->steering)
		*ret |= RSSB_ACQUIRE_NO_CONFIG;
	return 0;
}

static int acquire_fill(struct rssb *c, struct rssb_request_acquire *request,
			const struct rssb_acquire_options *o)
{
	int r = acquire_flags(c, o, &request->flags);

	request->kind = (uint16_t)o->kind;
	fill_object(&request->object, o->object_id);
	if (!r && o->label)
		r = fill_label(c, request->label, o->label);
	if (!r && o->steering)
		r = fill_steering(c, &request->steering, o->steering, false);
	return r;
}

/* Exactly the roles that such a grant has, in the order of the enum. */
static bool roles_right(const struct rssb_reply *reply, const struct rssb_acquire_options *o)
{
	uint8_t roles[sizeof(reply->roles)] = { RSSB_ROLE_PROG };
	size_t n = 1;

	if (o->kind == RSSB_HANDOFF)
		for (unsigned role = RSSB_ROLE_CONFIG; role <= RSSB_ROLE_TABLE; role++)
			roles[n++] = (uint8_t)role;
	if (!(o->flags & RSSB_GRANT_KEEP))
		roles[n++] = RSSB_ROLE_LEASE;
	return reply->n_fds == n && !memcmp(reply->roles, roles, n);
}

/* Whether what was granted is what was asked for. */
static int grant_check(struct rssb *c, const struct rssb_reply_acquire *reply,
		       const struct rssb_acquire_options *o)
{
	if (!roles_right(&reply->reply, o))
		return connection_fail(c, -EPROTO, "the broker sent other fds than were asked for");
	if (o->object_id && memcmp(reply->object_id, o->object_id, sizeof(reply->object_id)) != 0)
		return connection_fail(c, -EPROTO, "the broker loaded another object than that");
	return 0;
}

/* Their roles are right. */
static void fds_take(struct rssb_fds *ret, struct packet *p, const uint8_t *roles)
{
	int *const slots[] = {
		[RSSB_ROLE_PROG] = &ret->prog,	 [RSSB_ROLE_CONFIG] = &ret->config,
		[RSSB_ROLE_KEY] = &ret->key,	 [RSSB_ROLE_TABLE] = &ret->table,
		[RSSB_ROLE_LEASE] = &ret->lease,
	};

	*ret = (struct rssb_fds)RSSB_FDS_INIT;
	for (size_t i = 0; i < p->n_fds; i++)
		*slots[roles[i]] = fd_take(&p->fds[i]);
	p->n_fds = 0;
}

/*
 * Releases a grant whose fds did not arrive.  With a lease it ends by itself; with KEEP it has
 * no lease, and would stay and keep its label.  The reason of the failure is left as it is.
 */
static void grant_undo(struct rssb *c, uint64_t id)
{
	char reason[sizeof(c->reason)];

	memcpy(reason, c->reason, sizeof(reason));
	rssb_release(c, id, NULL);
	memcpy(c->reason, reason, sizeof(reason));
}

int rssb_acquire(struct rssb *c, const struct rssb_acquire_options *options,
		 struct rssb_fds *ret_fds, struct rssb_grant *ret_grant)
{
	union rssb_request request = { .header.op = RSSB_OP_ACQUIRE };
	struct rssb_acquire_options o;
	union rssb_reply_any reply;
	struct packet p;
	int r;

	if (fill_options(&o, sizeof(o), options))
		return connection_fail(c, -EINVAL, "acquire: an option that librssb does not know");
	r = acquire_fill(c, &request.acquire, &o);
	if (!r)
		r = connection_exchange(c, &request, &reply, &p);
	explicit_bzero(&request, sizeof(request)); /* the key */
	if (r == -EBADMSG && (o.flags & RSSB_GRANT_KEEP))
		grant_undo(c, reply.acquire.grant_id);
	if (r)
		return r;

	r = grant_check(c, &reply.acquire, &o);
	if (r) {
		connection_refuse_fds(&p);
		return r;
	}
	fds_take(ret_fds, &p, reply.base.roles);
	if (ret_grant) {
		ret_grant->id = reply.acquire.grant_id;
		memcpy(ret_grant->object_id, reply.acquire.object_id, sizeof(ret_grant->object_id));
	}
	return 0;
}
