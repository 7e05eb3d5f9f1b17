/* SPDX-License-Identifier: MIT */
/*
 * The operations.  A request that comes here was decoded and validated; nothing
 * here may block, and nothing of the client's goes to the loader.
 */
#include "broker/front/operations.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "broker/common/clock.h"
#include "broker/front/op_status.h"
#include "proto/util/fd.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* Returns -EINVAL. */
#define REFUSE(c, ...) rssb_refuse(&(c)->why, __VA_ARGS__)

#define GRANT_AT offsetof(struct rssb_request_release, grant)
_Static_assert(offsetof(struct rssb_request_update, grant) == GRANT_AT &&
		       offsetof(struct rssb_request_stats, grant) == GRANT_AT &&
		       offsetof(struct rssb_request_move, grant) == GRANT_AT,
	       "every request that names a grant has it in one place");

void outcome_init(struct outcome *ret, unsigned op)
{
	rssb_reply_init(&ret->reply, op);
	ret->set = SET_INIT;
	ret->grant = NULL;
	ret->elf = -1;
	ret->object = 0;
}

void outcome_refuse(struct outcome *ret, const struct rssb_refusal *why)
{
	ret->reply.base.status = why->status;
	ret->reply.base.retry_ms = why->retry_ms;
	memcpy(ret->reply.base.reason, why->reason, sizeof(why->reason));
}

size_t outcome_fds(struct outcome *o, int ret[RSSB_FDS_MAX])
{
	const int by_role[] = {
		[RSSB_ROLE_PROG] = o->set.fds.prog,    [RSSB_ROLE_CONFIG] = o->set.fds.config,
		[RSSB_ROLE_KEY] = o->set.fds.key,      [RSSB_ROLE_TABLE] = o->set.fds.table,
		[RSSB_ROLE_LEASE] = o->set.lease_read, [RSSB_ROLE_ELF] = o->elf,
	};
	uint16_t n = 0;

	for (unsigned role = RSSB_ROLE_PROG; role <= RSSB_ROLE_ELF; role++) {
		if (by_role[role] < 0)
			continue;
		o->reply.base.roles[n] = (uint8_t)role;
		ret[n++] = by_role[role];
	}
	o->reply.base.n_fds = n;
	return n;
}

void outcome_done(struct outcome *o)
{
	set_done(&o->set);
	fd_closep(&o->elf);
}

/* Bit n: operation n is known. */
#define OPS_KNOWN ((1u << (RSSB_OP_MOVE + 1)) - (1u << RSSB_OP_INFO))

static int perform_info(struct call *c)
{
	struct rssb_reply_info *info = &c->ret->reply.info;

	strncpy(info->version, PACKAGE_VERSION, sizeof(info->version) - 1);
	info->n_objects = (uint32_t)c->s->objects.n;
	info->queues_max = RSSB_QUEUES_MAX;
	info->table_max = RSSB_TABLE_MAX;
	info->ops = OPS_KNOWN;
	info->kinds = 1u << RSSB_KIND_HANDOFF | 1u << RSSB_KIND_PROGRAM_ONLY |
		      1u << RSSB_KIND_MANAGED;
	return 0;
}

static void describe(struct rssb_reply_object *ret, const struct object *object)
{
	memcpy(ret->id, object->id, sizeof(ret->id));
	strncpy(ret->name, object->name, sizeof(ret->name) - 1);
	ret->size = object->size;
	ret->abi = object->abi;
}

static int perform_object(struct call *c)
{
	const struct objects *objects = &c->s->objects;
	uint32_t index = c->request->object.index;

	if (index >= objects->n)
		return REFUSE(c, RSSB_NO_OBJECT, "object index is %u, this broker has %zu objects",
			      index, objects->n);
	describe(&c->ret->reply.object, &objects->list[index]);
	return 0;
}

static int no_object(struct call *c)
{
	return REFUSE(c, RSSB_NO_OBJECT,
		      "no object of that id or ABI here; `rssb info` lists them");
}

/* Whether an object knows the tunnels that the steering names, if it does. */
static int check_tunnels(struct call *c, unsigned object, const struct rssb_steering_wire *steering)
{
	const struct object *it = &c->s->objects.list[object];

	if (!(steering->hash_types & RSSB_TUNNELS_ALL) || it->tunnels)
		return 0;
	return rssb_refuse(
		&c->why, RSSB_INVALID,
		"hash_types is 0x%x, with tunnels, which object %s does not know: ask by "
		"ABI for one that does",
		steering->hash_types, it->name);
}

/* Whether so many bytes more may be handed out to an account. */
static int check_memory(struct call *c, uint64_t bytes)
{
	struct service *s = c->s;
	uint64_t left = memory_left(&s->memory, accounts_bytes(&s->accounts, s->now_ms), s->now_ms);

	if (bytes > left)
		return REFUSE(c, RSSB_LIMIT,
			      "the broker's memory is over %u %% of its limit; come back when "
			      "grants have ended",
			      s->memory.percent);
	return account_may_hold(&s->accounts, c->account, bytes, left, s->now_ms, &c->why);
}

/* Takes a set that is ready, for which the account pays from now on. */
static int acquire_set(struct call *c, const struct rssb_request_acquire *acquire, unsigned object)
{
	struct service *s = c->s;
	struct outcome *ret = c->ret;
	uint64_t weight = s->pool.stocks[object].weight;
	int err;

	if ((err = account_may_acquire(&s->accounts, c->account, &c->why)) ||
	    (err = check_memory(c, weight)))
		return err;
	ret->object = object;
	if (pool_take(&s->pool, object, account_had_many(&s->accounts, c->account, s->now_ms),
		      &ret->set))
		return -EAGAIN;
	memory_take(&s->memory, weight);
	set_divide(&ret->set, acquire);
	ret->grant = grant_new(&s->grants, c->account, acquire, &ret->set.maps);
	ret->grant->object = object;
	ret->grant->made_ms = s->now_ms;
	ret->grant->weight = weight;
	account_add_grant(&s->accounts, c->account, weight);
	return 0;
}

static int perform_acquire(struct call *c)
{
	const struct rssb_request_acquire *acquire = &c->request->acquire;
	const struct object_wish wish = { .counts = acquire->flags & RSSB_ACQUIRE_STATS,
					  .tunnels = acquire->steering.hash_types &
						     RSSB_TUNNELS_ALL };
	struct service *s = c->s;
	int object = objects_find(&s->objects, &acquire->object, wish), err;

	if (object < 0)
		return no_object(c);
	err = check_tunnels(c, (unsigned)object, &acquire->steering);
	if (err)
		return err;
	if (grant_label_taken(&s->grants, acquire->label, c->account))
		return REFUSE(c, RSSB_LABEL_TAKEN, "another grant of yours has label %.16s",
			      acquire->label);
	err = acquire_set(c, acquire, (unsigned)object);
	if (err)
		return err;
	c->ret->reply.acquire.grant_id = c->ret->grant->id;
	memcpy(c->ret->reply.acquire.object_id, s->objects.list[object].id, RSSB_OBJECT_ID_LEN);
	return 0;
}

void service_end_grant(struct service *s, struct grant *grant)
{
	account_remove_grant(&s->accounts, grant->account, grant->weight, s->now_ms);
	grant_end(&s->grants, grant);
}

static int perform_release(struct call *c)
{
	service_end_grant(c->s, c->grant);
	return 0;
}

static int perform_update(struct call *c)
{
	const struct rssb_steering_wire *steering = &c->request->update.steering;
	int err = check_tunnels(c, c->grant->object, steering);

	if (err)
		return err;
	grant_maps_fill(&c->grant->maps, steering);
	grant_note_steering(c->grant, steering);
	return 0;
}

/* Whether the table is as the client believes, and stays within the grant's queues. */
static int check_move(struct call *c, const uint16_t *table, unsigned i)
{
	const struct rssb_move_wire *move = &c->request->move.move[i];
	const struct grant *grant = c->grant;

	if (move->entry >= grant->table_len)
		return REFUSE(c, RSSB_INVALID, "move[%u].entry is %u, the table has %u entries", i,
			      move->entry, grant->table_len);
	if (move->to >= grant->queues)
		return REFUSE(c, RSSB_INVALID, "move[%u].to is %u, allowed is 0 to %u", i, move->to,
			      grant->queues - 1);
	if (table[move->entry] != move->from)
		return REFUSE(c, RSSB_INVALID,
			      "move[%u].from is %u, but entry %u is on queue %u: somebody "
			      "changed the table",
			      i, move->from, move->entry, table[move->entry]);
	return 0;
}

static int perform_move(struct call *c)
{
	const struct rssb_request_move *m = &c->request->move;
	struct rssb_reply_move *reply = &c->ret->reply.move;
	struct grant *grant = c->grant;

	grant_maps_read_table(&grant->maps, reply->table, grant->table_len);
	for (unsigned i = 0; i < m->n; i++) {
		int err = check_move(c, reply->table, i);

		if (err)
			return err;
	}
	for (unsigned i = 0; i < m->n; i++) {
		grant_maps_set_entry(&grant->maps, m->move[i].entry, m->move[i].to);
		reply->table[m->move[i].entry] = m->move[i].to;
	}
	reply->grant_id = grant->id;
	reply->queues = grant->queues;
	reply->table_len = grant->table_len;
	return 0;
}

static int perform_stats(struct call *c)
{
	const struct grant *grant = c->grant;
	struct rssb_reply_stats *stats = &c->ret->reply.stats;

	if (!grant->maps.stats)
		return REFUSE(c, RSSB_WRONG_KIND,
			      "grant %llu counts no packets: it was acquired without statistics",
			      (unsigned long long)grant->id);
	stats->grant_id = grant->id;
	stats->time_ns = clock_ns();
	stats->queues = grant->queues;
	stats->table_len = grant->table_len;
	stats->hash_types = grant->hash_types;
	grant_maps_read_stats(&grant->maps, stats);
	return 0;
}

/* Leaves the file offset at 0, where the client starts to read. */
static int write_all(int fd, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(fd, data + done, len - done,
				   (off_t)done); /* #syscalls:front pwrite64 */

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

/* Of a memfd: its inode, its file, and the end of its last page. */
#define COPY_OVERHEAD (8 << 10)

/* A memfd of the client's own: copies would share a file offset. */
static int elf_memfd(const struct object *object, int *ret)
{
	_cleanup_fd_ int fd = -1;

	/* #syscalls:front memfd_create fcntl */
	fd = memfd_create(object->name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create(object->name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (write_all(fd, object->elf, object->size) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL))
		return -errno;
	*ret = fd_take(&fd);
	return 0;
}

static int perform_export(struct call *c)
{
	struct service *s = c->s;
	int i = objects_find(&s->objects, &c->request->export.object, (struct object_wish){ 0 });
	const struct object *object;
	uint64_t bytes;
	int err;

	if (i < 0)
		return no_object(c);
	object = &s->objects.list[i];
	bytes = object->size + COPY_OVERHEAD;
	err = check_memory(c, bytes);
	if (err)
		return err;
	memory_take(&s->memory, bytes);
	account_add_ended(&s->accounts, c->account, bytes, s->now_ms);
	err = elf_memfd(object, &c->ret->elf);
	if (err)
		return REFUSE(c, RSSB_INTERNAL, "cannot make a memfd: %s", strerrordesc_np(-err));
	describe(&c->ret->reply.object, object);
	return 0;
}

/* --- which is which --------------------------------------------------------------- */

static const struct operation {
	int (*perform)(struct call *);
	bool of_grant; /* the request names a grant */
	bool managed;  /* and it has to be a managed one */
} operations[] = {
	[RSSB_OP_INFO] = { perform_info },
	[RSSB_OP_OBJECT] = { perform_object },
	[RSSB_OP_ACQUIRE] = { perform_acquire },
	[RSSB_OP_RELEASE] = { perform_release, .of_grant = true },
	[RSSB_OP_EXPORT] = { perform_export },
	[RSSB_OP_UPDATE] = { perform_update, .of_grant = true, .managed = true },
	[RSSB_OP_STATS] = { perform_stats, .of_grant = true },
	[RSSB_OP_STATUS] = { op_status },
	[RSSB_OP_GRANT] = { op_grant },
	[RSSB_OP_MOVE] = { perform_move, .of_grant = true, .managed = true },
};

/* Of others' grants root may touch any, but not one that it cannot tell from another. */
static int grant_named(struct call *c, bool managed)
{
	const struct rssb_grant_ref *ref = &c->request->release.grant;

	c->grant = grant_find(&c->s->grants, ref, c->account);
	if (!c->grant && c->account->uid == 0 && !ref->id)
		return REFUSE(c, RSSB_NO_GRANT,
			      "no grant, or those of several accounts, have this label: name "
			      "one by its id");
	if (!c->grant)
		return REFUSE(c, RSSB_NO_GRANT, "no such grant, or not yours");
	if (managed && c->grant->kind != RSSB_KIND_MANAGED)
		return REFUSE(c, RSSB_WRONG_KIND,
			      "grant %llu is not managed: only its holder can change its steering",
			      (unsigned long long)c->grant->id);
	return 0;
}

int operation_perform(struct service *s, struct account *account, const union rssb_request *request,
		      struct outcome *ret)
{
	const struct operation *op = &operations[request->header.op];
	struct call call = { s, account, request, .ret = ret };
	int err = op->of_grant ? grant_named(&call, op->managed) : 0;

	if (!err)
		err = op->perform(&call);
	if (!err || err == -EAGAIN)
		return err;
	outcome_refuse(ret, &call.why);
	return 0;
}
