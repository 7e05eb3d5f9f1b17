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
#include "proto/fd.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define REFUSE(...)                                                                                \
	do {                                                                                       \
		struct rssb_refusal why_ = { 0 };                                                  \
		rssb_refuse(&why_, __VA_ARGS__);                                                   \
		outcome_refuse(ret, &why_);                                                        \
		return 0;                                                                          \
	} while (0)

void outcome_init(struct outcome *ret, unsigned op)
{
	rssb_reply_init(&ret->reply, op);
	ret->set = (struct set)SET_INIT;
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

static int perform_info(struct service *s, struct account *account,
			const union rssb_request *request, struct outcome *ret)
{
	struct rssb_reply_info *info = &ret->reply.info;

	strncpy(info->version, PACKAGE_VERSION, sizeof(info->version) - 1);
	info->n_objects = (uint32_t)s->objects.n;
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

static int perform_object(struct service *s, struct account *account,
			  const union rssb_request *request, struct outcome *ret)
{
	uint32_t index = request->object.index;

	if (index >= s->objects.n)
		REFUSE(RSSB_NO_OBJECT, "object index is %u, this broker has %zu objects", index,
		       s->objects.n);
	describe(&ret->reply.object, &s->objects.list[index]);
	return 0;
}

static int no_object(struct outcome *ret)
{
	REFUSE(RSSB_NO_OBJECT, "no object of that id or ABI here; `rssb info` lists them");
}

/* Whether an object knows the tunnels that the steering names, if it does. */
static bool sees_tunnels(const struct service *s, unsigned object,
			 const struct rssb_steering_wire *steering)
{
	return !(steering->hash_types & RSSB_TUNNELS_ALL) || s->objects.list[object].tunnels;
}

static int no_tunnels(struct outcome *ret, const struct object *object, unsigned hash_types)
{
	REFUSE(RSSB_INVALID,
	       "hash_types is 0x%x, with tunnels, which object %s does not know: ask by ABI "
	       "for one that does",
	       hash_types, object->name);
}

/* Whether so many bytes more may be handed out to an account; then they are noted. */
static int check_memory(struct service *s, const struct account *account, uint64_t bytes,
			struct rssb_refusal *why)
{
	uint64_t left = memory_left(&s->memory, accounts_bytes(&s->accounts, s->now_ms), s->now_ms);
	int err = 0;

	if (bytes > left)
		err = rssb_refuse(
			why, RSSB_LIMIT,
			"the broker's memory is over %u %% of its limit; come back when grants "
			"have ended",
			s->memory.percent);
	else
		err = account_may_hold(&s->accounts, account, bytes, left, s->now_ms, why);
	if (!err)
		memory_take(&s->memory, bytes);
	return err;
}

/* Divides a set: what the client gets stays in s->fds, what the broker keeps in s->hold. */
static void set_divide(struct set *s, const struct rssb_request_acquire *acquire)
{
	if (!(acquire->flags & RSSB_ACQUIRE_NO_CONFIG))
		grant_maps_fill(&s->hold, &acquire->steering);
	if (acquire->kind != RSSB_KIND_HANDOFF)
		set_keep_program_only(s);
	if (acquire->flags & RSSB_ACQUIRE_KEEP)
		set_drop_lease(s);
}

static int perform_acquire(struct service *s, struct account *account,
			   const union rssb_request *request, struct outcome *ret)
{
	const struct rssb_request_acquire *acquire = &request->acquire;
	const struct object_wish wish = { .counts = acquire->flags & RSSB_ACQUIRE_STATS,
					  .tunnels = acquire->steering.hash_types &
						     RSSB_TUNNELS_ALL };
	int object = objects_find(&s->objects, &acquire->object, wish);
	struct rssb_refusal why = { 0 };
	uint64_t weight;

	if (object < 0)
		return no_object(ret);
	if (!sees_tunnels(s, (unsigned)object, &acquire->steering))
		return no_tunnels(ret, &s->objects.list[object], acquire->steering.hash_types);
	weight = s->pool.stocks[object].weight;
	if (grant_label_taken(&s->grants, acquire->label, account))
		REFUSE(RSSB_LABEL_TAKEN, "another grant of yours has label %.16s", acquire->label);
	if (account_may_acquire(&s->accounts, account, &why) ||
	    check_memory(s, account, weight, &why)) {
		outcome_refuse(ret, &why);
		return 0;
	}
	ret->object = (unsigned)object;
	if (pool_take(&s->pool, ret->object, account_had_many(&s->accounts, account, s->now_ms),
		      &ret->set))
		return -EAGAIN;
	set_divide(&ret->set, acquire);
	ret->grant = grant_new(&s->grants, account, acquire, &ret->set.hold);
	ret->grant->object = ret->object;
	ret->grant->made_ms = s->now_ms;
	ret->grant->weight = weight;
	account_add_grant(&s->accounts, account, weight);
	ret->reply.acquire.grant_id = ret->grant->id;
	memcpy(ret->reply.acquire.object_id, s->objects.list[object].id, RSSB_OBJECT_ID_LEN);
	return 0;
}

/* Of others' grants root may touch any, but not one that it cannot tell from another. */
static int no_grant(const struct rssb_grant_ref *ref, const struct account *account,
		    struct outcome *ret)
{
	if (account->uid == 0 && !ref->id)
		REFUSE(RSSB_NO_GRANT, "no grant, or those of several accounts, have this label: "
				      "name one by its id");
	REFUSE(RSSB_NO_GRANT, "no such grant, or not yours");
}

void service_end_grant(struct service *s, struct grant *grant)
{
	account_remove_grant(&s->accounts, grant->account, grant->weight, s->now_ms);
	grant_end(&s->grants, grant);
}

static int perform_release(struct service *s, struct account *account,
			   const union rssb_request *request, struct outcome *ret)
{
	struct grant *grant = grant_find(&s->grants, &request->release.grant, account);

	if (!grant)
		return no_grant(&request->release.grant, account, ret);
	service_end_grant(s, grant);
	return 0;
}

static int not_managed(struct outcome *ret, const struct grant *grant)
{
	REFUSE(RSSB_WRONG_KIND,
	       "grant %llu is not managed: only its holder can change its steering",
	       (unsigned long long)grant->id);
}

static int perform_update(struct service *s, struct account *account,
			  const union rssb_request *request, struct outcome *ret)
{
	struct grant *grant = grant_find(&s->grants, &request->update.grant, account);

	if (!grant)
		return no_grant(&request->update.grant, account, ret);
	if (grant->kind != RSSB_KIND_MANAGED)
		return not_managed(ret, grant);
	if (!sees_tunnels(s, grant->object, &request->update.steering))
		return no_tunnels(ret, &s->objects.list[grant->object],
				  request->update.steering.hash_types);
	grant_maps_fill(&grant->hold, &request->update.steering);
	grant_note_steering(grant, &request->update.steering);
	return 0;
}

/* Whether the table is as the client believes, and stays within the grant's queues. */
static int check_moves(const struct rssb_request_move *m, const struct grant *grant,
		       const uint16_t *table, struct outcome *ret)
{
	for (unsigned i = 0; i < m->n; i++) {
		const struct rssb_move_wire *move = &m->move[i];

		if (move->entry >= grant->table_len)
			REFUSE(RSSB_INVALID, "move[%u].entry is %u, the table has %u entries", i,
			       move->entry, grant->table_len);
		if (move->to >= grant->queues)
			REFUSE(RSSB_INVALID, "move[%u].to is %u, allowed is 0 to %u", i, move->to,
			       grant->queues - 1);
		if (table[move->entry] != move->from)
			REFUSE(RSSB_INVALID,
			       "move[%u].from is %u, but entry %u is on queue %u: somebody changed "
			       "the table",
			       i, move->from, move->entry, table[move->entry]);
	}
	return 0;
}

static int perform_move(struct service *s, struct account *account,
			const union rssb_request *request, struct outcome *ret)
{
	const struct rssb_request_move *m = &request->move;
	struct grant *grant = grant_find(&s->grants, &m->grant, account);
	struct rssb_reply_move *reply = &ret->reply.move;

	if (!grant)
		return no_grant(&m->grant, account, ret);
	if (grant->kind != RSSB_KIND_MANAGED)
		return not_managed(ret, grant);
	grant_maps_read_table(&grant->hold, reply->table, grant->table_len);
	check_moves(m, grant, reply->table, ret);
	if (ret->reply.base.status != RSSB_OK)
		return 0;
	for (unsigned i = 0; i < m->n; i++) {
		grant_maps_set_entry(&grant->hold, m->move[i].entry, m->move[i].to);
		reply->table[m->move[i].entry] = m->move[i].to;
	}
	reply->grant_id = grant->id;
	reply->queues = grant->queues;
	reply->table_len = grant->table_len;
	return 0;
}

static int perform_stats(struct service *s, struct account *account,
			 const union rssb_request *request, struct outcome *ret)
{
	const struct grant *grant = grant_find(&s->grants, &request->stats.grant, account);
	struct rssb_reply_stats *stats = &ret->reply.stats;

	if (!grant)
		return no_grant(&request->stats.grant, account, ret);
	if (!grant->hold.stats)
		REFUSE(RSSB_WRONG_KIND,
		       "grant %llu counts no packets: it was acquired without statistics",
		       (unsigned long long)grant->id);
	stats->grant_id = grant->id;
	stats->time_ns = clock_ns();
	stats->queues = grant->queues;
	stats->table_len = grant->table_len;
	stats->hash_types = grant->hash_types;
	grant_maps_read_stats(&grant->hold, stats);
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

static int perform_export(struct service *s, struct account *account,
			  const union rssb_request *request, struct outcome *ret)
{
	int object = objects_find(&s->objects, &request->export.object, (struct object_wish){ 0 });
	struct rssb_refusal why = { 0 };
	uint64_t bytes;

	if (object < 0)
		return no_object(ret);
	bytes = s->objects.list[object].size + COPY_OVERHEAD;
	if (check_memory(s, account, bytes, &why)) {
		outcome_refuse(ret, &why);
		return 0;
	}
	account_add_ended(&s->accounts, account, bytes, s->now_ms);
	if (elf_memfd(&s->objects.list[object], &ret->elf))
		REFUSE(RSSB_INTERNAL, "cannot make a memfd: %s", strerrordesc_np(errno));
	describe(&ret->reply.object, &s->objects.list[object]);
	return 0;
}

int operation_perform(struct service *s, struct account *account, const union rssb_request *request,
		      struct outcome *ret)
{
	static int (*const perform[])(struct service *, struct account *,
				      const union rssb_request *, struct outcome *) = {
		[RSSB_OP_INFO] = perform_info,	     [RSSB_OP_OBJECT] = perform_object,
		[RSSB_OP_ACQUIRE] = perform_acquire, [RSSB_OP_RELEASE] = perform_release,
		[RSSB_OP_EXPORT] = perform_export,   [RSSB_OP_UPDATE] = perform_update,
		[RSSB_OP_STATS] = perform_stats,     [RSSB_OP_STATUS] = op_status,
		[RSSB_OP_GRANT] = op_grant,	     [RSSB_OP_MOVE] = perform_move,
	};

	return perform[request->header.op](s, account, request, ret);
}
