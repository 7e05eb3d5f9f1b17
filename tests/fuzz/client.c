/* SPDX-License-Identifier: MIT */
/*
 * librssb against a hostile broker: an input is a script of calls, each with the
 * replies that lie ready for it.  A call that fails must leave its results
 * untouched and no fd open; one that succeeds gives what it promises.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/include/rssb.h"
#include "client/lib/connection.h"
#include "proto/util/fd.h"
#include "tests/fuzz/lib/fds.h"

#define CALLS_MAX   8
#define REPLIES_MAX 3
#define POISON	    0xa5

enum mend { MEND_HEADER = 1, MEND_LENGTH = 2, MEND_OK = 4, MEND_ROLES = 8, MEND_HANG_UP = 16 };

/* Everything that a call may fill. */
union result {
	struct rssb_info info;
	struct rssb_broker_status status;
	struct rssb_grant_info grant_info;
	struct rssb_object object;
	struct rssb_stats stats;
	struct rssb_table table;
	struct rssb_fds fds;
	struct rssb_grant grant;
};

static const uint8_t object_id[RSSB_OBJECT_ID_BYTES] = { 0x11, 0x22 };

/* --- the broker -------------------------------------------------------------------- */

static const enum rssb_op ops[] = { RSSB_OP_INFO,    RSSB_OP_OBJECT, RSSB_OP_ACQUIRE,
				    RSSB_OP_RELEASE, RSSB_OP_EXPORT, RSSB_OP_UPDATE,
				    RSSB_OP_STATS,   RSSB_OP_STATUS, RSSB_OP_GRANT,
				    RSSB_OP_MOVE };
#define OPS (sizeof(ops) / sizeof(ops[0]))

/* The roles that a right reply has; else whatever the input says. */
static void roles_mend(struct rssb_reply *reply, enum rssb_op op, size_t n_fds)
{
	uint8_t handed[] = { RSSB_ROLE_PROG, RSSB_ROLE_CONFIG, RSSB_ROLE_KEY, RSSB_ROLE_TABLE,
			     RSSB_ROLE_LEASE };

	reply->n_fds = (uint16_t)n_fds;
	memcpy(reply->roles, handed, sizeof(handed));
	if (n_fds < sizeof(handed))
		reply->roles[1] = n_fds == 2 ? RSSB_ROLE_LEASE : RSSB_ROLE_NONE;
	if (op == RSSB_OP_EXPORT)
		reply->roles[0] = RSSB_ROLE_ELF;
}

/* Right parts in a wrong reply, so that what is behind them is reached. */
static void reply_mend(uint8_t *bytes, size_t size, unsigned mend, enum rssb_op op, uint32_t tag,
		       size_t n_fds)
{
	struct rssb_reply reply;

	if (size < sizeof(reply))
		return;
	memcpy(&reply, bytes, sizeof(reply));
	if (mend & MEND_HEADER) {
		reply.header = (struct rssb_header){ .magic = RSSB_PROTO_MAGIC,
						     .version = RSSB_PROTO_VERSION,
						     .op = (uint16_t)(op | RSSB_OP_REPLY),
						     .length = reply.header.length,
						     .tag = tag };
	}
	if (mend & MEND_LENGTH)
		reply.header.length = (uint32_t)size;
	if (mend & MEND_OK)
		reply.status = RSSB_OK;
	if (mend & MEND_ROLES)
		roles_mend(&reply, op, n_fds);
	memcpy(bytes, &reply, sizeof(reply));
}

/* A sealed memfd, as long as the reply to an EXPORT says. */
static int object_make(const uint8_t *bytes, size_t size)
{
	const struct rssb_reply_object *reply = (const void *)bytes;
	int fd = memfd_create("object", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	FUZZ_CHECK(!ftruncate(fd, size < sizeof(*reply) ? 1 : reply->size) &&
		   !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
	return fd;
}

/* What lies ready before the call is made. */
static void broker_speak(int sock, struct fuzz_input *in, enum rssb_op op, uint32_t tag)
{
	static const uint16_t lengths[] = {
		192, 240, 264, 232, 192, 264, 192, 6464, 704, 280, 464
	};
	uint8_t mend = fuzz_u8(in), how = fuzz_u8(in);
	size_t n_fds = how & 7, want = how & 8 ? fuzz_u16(in) % 9000 : lengths[op];
	int fds[] = { sock, sock, sock, sock, sock, sock, sock }, object = -1;
	const uint8_t *data;
	uint8_t *bytes = calloc(1, want ? want : 1);
	size_t n = fuzz_take(in, &data, how & 16 ? 64 : want);

	FUZZ_CHECK(bytes);
	n = n < want ? n : want;
	/* Mostly the body matters: a short input is one. */
	if (n)
		memcpy(bytes + (how & 16 && want > sizeof(struct rssb_reply) + n
					? sizeof(struct rssb_reply)
					: 0),
		       data, n);
	reply_mend(bytes, want, mend, op, tag, n_fds);
	if (op == RSSB_OP_EXPORT && how & 128)
		fds[0] = object = object_make(bytes, want);
	fds_send(sock, bytes, want, fds, n_fds);
	fd_closep(&object);
	free(bytes);
	if (mend & MEND_HANG_UP)
		shutdown(sock, SHUT_RDWR);
}

/* --- the client -------------------------------------------------------------------- */

static int acquire(struct rssb *c, uint8_t how, union result *ret)
{
	static const uint16_t table[] = { 0, 1, 2, 3 };
	static const uint8_t key[RSSB_KEY_BYTES] = { 1, 2, 3 };
	static const struct rssb_steering steering = { .size = sizeof(steering),
						       .hash_types = 0x3f,
						       .queues = 4,
						       .table_len = 4,
						       .table = table,
						       .key = key };
	struct rssb_acquire_options o = { .size = sizeof(o), .steering = &steering };
	struct rssb_grant grant;
	int err;

	o.kind = (enum rssb_grant_kind)(RSSB_HANDOFF + how % 3);
	o.flags = how & 4 && o.kind != RSSB_HANDOFF ? RSSB_GRANT_KEEP : 0;
	o.object_id = how & 8 ? object_id : NULL;
	err = rssb_acquire(c, &o, &ret->fds, &grant);
	if (err)
		return err;
	FUZZ_CHECK(fcntl(ret->fds.prog, F_GETFD) >= 0);
	FUZZ_CHECK((ret->fds.config >= 0) == (o.kind == RSSB_HANDOFF));
	FUZZ_CHECK((ret->fds.lease >= 0) == !(o.flags & RSSB_GRANT_KEEP));
	FUZZ_CHECK(!o.object_id || !memcmp(grant.object_id, object_id, sizeof(object_id)));
	rssb_fds_close(&ret->fds);
	return 0;
}

static int export(struct rssb *c, uint8_t how, union result *ret)
{
	int fd = -1, err;

	err = rssb_export(c, how & 1 ? object_id : NULL, &fd, &ret->object);
	FUZZ_CHECK(err ? fd == -1 : fcntl(fd, F_GETFD) >= 0);
	FUZZ_CHECK(err || memchr(ret->object.name, 0, sizeof(ret->object.name)));
	fd_closep(&fd);
	return err;
}

static int stats(struct rssb *c, union result *ret)
{
	int err = rssb_stats(c, 1, NULL, &ret->stats);

	FUZZ_CHECK(err || (ret->stats.queues <= RSSB_QUEUES_MAX &&
			   ret->stats.table_len <= RSSB_TABLE_ENTRIES_MAX));
	return err;
}

static int move(struct rssb *c, uint8_t how, union result *ret)
{
	const struct rssb_move one = { .entry = how, .to = 1 };
	int err = rssb_move(c, how, how ? NULL : "web", &one, how % 2, &ret->table);

	FUZZ_CHECK(err || (ret->table.queues <= RSSB_QUEUES_MAX &&
			   ret->table.len <= RSSB_TABLE_ENTRIES_MAX));
	return err;
}

static int named(const char *text, size_t size, int err)
{
	FUZZ_CHECK(err || memchr(text, 0, size));
	return err;
}

static int call(struct rssb *c, enum rssb_op op, uint8_t how, union result *ret)
{
	struct rssb_steering keeps = {
		.size = sizeof(keeps), .queues = 1, .table_len = 1, .table = (uint16_t[]){ 0 }
	};

	switch (op) {
	case RSSB_OP_INFO:
		return named(ret->info.version, sizeof(ret->info.version),
			     rssb_info(c, &ret->info));
	case RSSB_OP_OBJECT:
		return named(ret->object.name, sizeof(ret->object.name),
			     rssb_object(c, how, &ret->object));
	case RSSB_OP_ACQUIRE:
		return acquire(c, how, ret);
	case RSSB_OP_RELEASE:
		return rssb_release(c, how, how ? NULL : "web");
	case RSSB_OP_EXPORT:
		return export(c, how, ret);
	case RSSB_OP_UPDATE:
		return rssb_update(c, how, how ? NULL : "web", &keeps);
	case RSSB_OP_STATS:
		return stats(c, ret);
	case RSSB_OP_STATUS:
		return rssb_status(c, &ret->status);
	case RSSB_OP_MOVE:
		return move(c, how, ret);
	case RSSB_OP_GRANT:
		return named(ret->grant_info.label, sizeof(ret->grant_info.label),
			     rssb_next_grant(c, how, &ret->grant_info));
	}
	return 0;
}

static void check_failed(const struct rssb *c, int err, const union result *result)
{
	const char *reason = rssb_reason(c);
	const uint8_t *bytes = (const uint8_t *)result;

	FUZZ_CHECK(err < 0 && err > -4096 && reason[0]);
	FUZZ_CHECK(memchr(reason, 0, sizeof(c->reason)));
	for (; *reason; reason++)
		FUZZ_CHECK((unsigned char)*reason >= ' ' && *reason != 0x7f);
	for (size_t i = 0; i < sizeof(*result); i++)
		FUZZ_CHECK(bytes[i] == POISON);
}

static void script_run(struct rssb *c, int broker, struct fuzz_input *in)
{
	unsigned before = fds_open();

	for (unsigned n = 0; in->left && n < CALLS_MAX; n++) {
		uint8_t what = fuzz_u8(in), how = fuzz_u8(in);
		enum rssb_op op = ops[what % 16 % OPS];
		bool connected = c->sock >= 0;
		union result result;
		int err;

		for (unsigned i = (what >> 4) % (REPLIES_MAX + 1); i; i--)
			broker_speak(broker, in, op, c->tag + 1);
		memset(&result, POISON, sizeof(result));
		err = call(c, op, how, &result);
		if (err)
			check_failed(c, err, &result);
		while (recv(broker, &result, sizeof(result), MSG_DONTWAIT) > 0)
			;
		before -= connected && c->sock < 0;
		FUZZ_CHECK(fds_open() == before);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct rssb c = { 0 };
	int pair[2];

	FUZZ_CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
	c.sock = pair[0];
	script_run(&c, pair[1], &in);
	fd_closep(&c.sock);
	fd_closep(&pair[1]);
	return 0;
}
