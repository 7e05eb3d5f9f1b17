/* SPDX-License-Identifier: MIT */
/*
 * Whole conversations with the front: an input is a script of what up to eight
 * clients, the clock and the loader do.  Every request must get exactly one reply,
 * every reply must be one that librssb can read, and nothing may be left behind.
 */
#include "proto/codec.h"
#include "tests/fuzz/lib/front_world.h"

#define CLIENTS	   8
#define LEASES	   16
#define SENT_MAX   512 /* steps of a script: a long one finds no more than many short ones */
#define FDS_MAX	   FDS_SENT_MAX
#define PACKET_MAX 9000

enum step {
	STEP_CONNECT,
	STEP_REQUEST, /* a right one, with some bytes changed */
	STEP_PACKET,  /* any bytes */
	STEP_FDS,     /* the next packet has some */
	STEP_READ,
	STEP_READ_ALL,
	STEP_HALF_CLOSE,
	STEP_CLOSE,
	STEP_END_LEASE,
	STEP_WAIT,
	STEP_LOADER,
	STEP_LOADER_FAILS,
	STEP_MEMORY,
	STEP_CLOSER, /* it rests, or works again */
	STEPS,
};
#define STEP_NO_TURN 0x80 /* or-ed into a step: the front does not run after it */

struct client {
	int fd;
	unsigned asked, answered;
	bool ended; /* the front hung up */
	bool deaf;  /* it cannot hear any more */
};

static struct {
	struct client clients[CLIENTS];
	int leases[LEASES]; /* of the last grants; -1: none */
	uint64_t ids[LEASES];
	unsigned n_grants;
	bool loader_is_quick; /* it answers at once */
	unsigned n_fds;	      /* that the next packet has */
} script;

/* --- connections --------------------------------------------------------------- */

static const struct identity_shown identities[] = {
	{ .uid = 1000 },
	{ .uid = 0 },
	{ .uid = 1001, .label = "system_u:system_r:svirt_t:s0:c1,c2" },
	{ .uid = 1000, .refuses_fds = true },
	{ .uid = 0, .refuses_fds = true, .label = "" },
	{ .uid = 1001, .label = "a\nb\"c \x1b[1m\xff" },
	{ .uid = 65534 },
	{ .uid = 4294967294, .refuses_fds = true },
	{ .uid = 1000, .unknown = true },
};
#define IDENTITIES (sizeof(identities) / sizeof(identities[0]))

static void client_close(struct client *c)
{
	fd_closep(&c->fd);
	*c = (struct client){ .fd = -1 };
}

static void client_connect(struct client *c, uint8_t who)
{
	const struct sockaddr *address = (const struct sockaddr *)&world.address;

	client_close(c);
	if (kernel.n_backlog == FAKE_BACKLOG)
		return;
	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	FUZZ_CHECK(c->fd >= 0);
	if (connect(c->fd, address, world.address_len))
		client_close(c);
	else
		kernel.backlog[kernel.n_backlog++] = identities[who % IDENTITIES];
}

/* --- what clients hear ----------------------------------------------------------- */

static void lease_keep(int *fd, uint64_t id)
{
	unsigned at = script.n_grants++ % LEASES;

	fd_closep(&script.leases[at]);
	script.leases[at] = fd_take(fd);
	script.ids[at] = id;
}

static bool is_acquire(const union rssb_reply_any *reply)
{
	return reply->base.header.op == (RSSB_OP_ACQUIRE | RSSB_OP_REPLY) &&
	       reply->base.status == RSSB_OK;
}

/* As the client of docs/protocol.md must be able to rely on. */
static void reply_check(const union rssb_reply_any *reply, const struct packet *p)
{
	const struct rssb_reply *base = &reply->base;
	size_t said = strnlen(base->reason, sizeof(base->reason));

	FUZZ_CHECK(base->status <= RSSB_TIMEOUT && base->n_fds == p->n_fds);
	FUZZ_CHECK((base->status == RSSB_OK) == (said == 0));
	FUZZ_CHECK(base->status == RSSB_OK || !base->n_fds);
	for (size_t i = 0; i < said; i++)
		FUZZ_CHECK(base->reason[i] >= ' ' && base->reason[i] <= '~');
	for (size_t i = 0; i < sizeof(base->roles); i++)
		FUZZ_CHECK((base->roles[i] != RSSB_ROLE_NONE) == (i < base->n_fds));
	if (is_acquire(reply))
		FUZZ_CHECK(reply->acquire.grant_id && base->n_fds);
}

/* Whether there was a reply. */
static bool client_read(struct client *c)
{
	union rssb_reply_any reply;
	struct packet p;
	int err = c->fd < 0 ? -EBADF : packet_recv(c->fd, &p);

	if (c->fd < 0)
		return false;
	/* Input that it did not read makes an error of the front's hang-up. */
	c->ended |= err == -ECONNRESET;
	if (!err) {
		FUZZ_CHECK(rssb_reply_decode(&reply, p.data, p.len) == 0);
		reply_check(&reply, &p);
		FUZZ_CHECK(++c->answered <=
			   c->asked + 1); /* one may come unasked, and is the end */
		if (is_acquire(&reply) && reply.base.roles[reply.base.n_fds - 1] == RSSB_ROLE_LEASE)
			lease_keep(&p.fds[p.n_fds - 1], reply.acquire.grant_id);
		else if (is_acquire(&reply))
			script.ids[script.n_grants++ % LEASES] = reply.acquire.grant_id;
	}
	packet_done(&p);
	return !err;
}

/* --- what clients say ------------------------------------------------------------- */

/* The fds that go with a packet: of a client, or those of a set. */
static size_t fds_choose(int ret[FDS_MAX])
{
	size_t n = script.n_fds & (FDS_MAX - 1);

	for (size_t i = 0; i < n; i++) {
		int own = script.clients[i].fd;

		ret[i] = script.n_fds & FDS_MAX && own >= 0 ? own : world.set[i % SET_FDS_MAX];
	}
	script.n_fds = 0;
	return n;
}

static void client_send(struct client *c, const void *data, size_t size)
{
	int fds[FDS_MAX];
	size_t n_fds = fds_choose(fds);

	if (c->fd >= 0 && fds_send(c->fd, data, size, fds, n_fds))
		c->asked++;
}

static void packet_step(struct client *c, struct fuzz_input *in)
{
	const uint8_t *data;
	size_t want = fuzz_u16(in) % PACKET_MAX, n = fuzz_take(in, &data, want);
	void *copy = calloc(1, want ? want : 1);

	FUZZ_CHECK(copy);
	memcpy(copy, n ? data : (const uint8_t *)"", n);
	client_send(c, copy, want); /* a long one may be zeros */
	free(copy);
}

static void steering_make(struct rssb_steering_wire *s, uint8_t how)
{
	s->hash_types = how & 0x10 ? 0x3f : RSSB_HASH_ALL;
	s->queues = 4;
	s->table_len = (uint16_t)(1u << how % 8);
	s->key_len = RSSB_KEY_LEN;
	for (unsigned i = 0; i < s->table_len; i++)
		s->table[i] = (uint16_t)(i % s->queues);
}

static void acquire_make(struct rssb_request_acquire *a, uint8_t how)
{
	a->kind = (uint16_t)(RSSB_KIND_HANDOFF + how % 3);
	a->flags = how / 4 % 8;
	a->object.abi = RSSB_ABI_QEMU_RSS_1;
	if (how & 0x20)
		a->label[0] = (char)('a' + (how >> 6));
	if (!(a->flags & RSSB_ACQUIRE_NO_CONFIG))
		steering_make(&a->steering, how);
}

/* By id or by label. */
static void grant_name(struct rssb_grant_ref *ret, uint8_t how)
{
	if (how & 0x80)
		ret->label[0] = (char)('a' + how % 4);
	else
		ret->id = script.ids[how % LEASES];
}

static void object_name(struct rssb_object_ref *ret, uint8_t how)
{
	ret->by = how & 1 ? RSSB_BY_ID : RSSB_BY_ABI;
	ret->abi = how & 1 ? 0 : RSSB_ABI_QEMU_RSS_1;
	if (how & 1)
		memset(ret->id, how & 2 ? 0x22 : 0x11, sizeof(ret->id));
}

/* A right request of each kind. */
static void request_make(union rssb_request *ret, unsigned op, uint8_t how)
{
	ret->header.op = (uint16_t)op;
	ret->header.tag = how;
	switch (op) {
	case RSSB_OP_OBJECT:
		ret->object.index = how;
		break;
	case RSSB_OP_ACQUIRE:
		acquire_make(&ret->acquire, how);
		break;
	case RSSB_OP_RELEASE:
	case RSSB_OP_STATS:
		grant_name(&ret->release.grant, how);
		break;
	case RSSB_OP_EXPORT:
		object_name(&ret->export.object, how);
		break;
	case RSSB_OP_UPDATE:
		grant_name(&ret->update.grant, how);
		steering_make(&ret->update.steering, how);
		break;
	case RSSB_OP_MOVE:
		grant_name(&ret->move.grant, how);
		ret->move.n = how % 4;
		for (uint16_t i = 0; i < how % 4; i++)
			ret->move.move[i] = (struct rssb_move_wire){ .entry = i, .to = how % 3 };
		break;
	case RSSB_OP_GRANT:
		ret->grant.after = script.ids[how % LEASES];
		break;
	}
}

static void request_step(struct client *c, struct fuzz_input *in)
{
	unsigned op = fuzz_u8(in), n_changes = op >> 4;
	union rssb_request request = { 0 };
	size_t len;

	request_make(&request, 1 + op % 16 % RSSB_OP_MOVE, fuzz_u8(in));
	len = rssb_request_encode(&request);
	for (unsigned i = 0; i < n_changes; i++) {
		size_t at = fuzz_u16(in) % sizeof(request);

		((uint8_t *)&request)[at] = fuzz_u8(in);
	}
	client_send(c, &request, len);
}

/* --- a script ------------------------------------------------------------------------ */

/* Whether there was anything. */
static bool read_all(void)
{
	bool some = false;

	for (size_t i = 0; i < CLIENTS; i++)
		while (client_read(&script.clients[i]))
			some = true;
	return some;
}

static void client_step(struct client *c, unsigned step, struct fuzz_input *in)
{
	switch (step) {
	case STEP_CONNECT:
		client_connect(c, fuzz_u8(in));
		break;
	case STEP_REQUEST:
		request_step(c, in);
		break;
	case STEP_PACKET:
		packet_step(c, in);
		break;
	case STEP_READ:
		client_read(c);
		break;
	case STEP_HALF_CLOSE:
		c->deaf |= c->fd >= 0 && !shutdown(c->fd, fuzz_u8(in) & 1 ? SHUT_RD : SHUT_WR);
		break;
	case STEP_CLOSE:
		client_close(c);
		break;
	}
}

static void step_run(unsigned step, struct fuzz_input *in)
{
	switch (step) {
	case STEP_FDS:
		script.n_fds = fuzz_u8(in);
		break;
	case STEP_READ_ALL:
		read_all();
		break;
	case STEP_END_LEASE:
		fd_closep(&script.leases[fuzz_u8(in) % LEASES]);
		break;
	case STEP_WAIT:
		kernel.now_ns += fuzz_u16(in) * 1000000ull;
		break;
	case STEP_LOADER:
		loader_serve(0);
		break;
	case STEP_LOADER_FAILS:
		loader_serve(-ENOMEM);
		break;
	case STEP_MEMORY:
		world.front.service.memory.otherwise ^= WORLD_MEMORY;
		break;
	case STEP_CLOSER:
		world.closer_rests ^= true;
		break;
	default:
		client_step(&script.clients[fuzz_u8(in) % CLIENTS], step, in);
	}
}

static void script_run(struct fuzz_input *in)
{
	for (unsigned n = 0; in->left && n < SENT_MAX; n++) {
		uint8_t step = fuzz_u8(in);

		step_run((step & ~STEP_NO_TURN) % STEPS, in);
		while (script.loader_is_quick && loader_serve(0))
			;
		if (!(step & STEP_NO_TURN))
			world_turn();
	}
}

/* Clients that read and wait: in the end each of their requests was answered. */
static void all_are_answered(void)
{
	const struct sessions *s = &world.front.sessions;

	world.closer_rests = false;
	for (unsigned quiet = 0; quiet < 2; quiet++) {
		while (loader_serve(0))
			;
		world_turn();
		if (read_all() || s->n_waiting || s->n_closing || kernel.n_backlog)
			quiet = 0;
		if (s->n_waiting)
			kernel.now_ns += 200000000;
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		const struct client *c = &script.clients[i];

		FUZZ_CHECK(c->fd < 0 || c->ended || c->deaf || c->answered == c->asked);
	}
}

/* Small limits are reached by short scripts. */
static const struct limits *limits_choose(uint8_t how)
{
	static const struct limits usual = LIMITS_DEFAULT;
	static struct limits narrow = LIMITS_DEFAULT;

	narrow.connections = 6;
	narrow.unread = 1;
	narrow.grants = 6;
	narrow.share = 1;
	narrow.tokens = 5 * PRICE_SET;
	return how & 1 ? &narrow : &usual;
}

static void script_begin(uint8_t how)
{
	memset(&script, 0, sizeof(script));
	for (size_t i = 0; i < CLIENTS; i++)
		script.clients[i].fd = -1;
	for (size_t i = 0; i < LEASES; i++)
		script.leases[i] = -1;
	script.loader_is_quick = how & 2;
}

static void script_end(void)
{
	for (size_t i = 0; i < CLIENTS; i++)
		client_close(&script.clients[i]);
	for (size_t i = 0; i < LEASES; i++)
		fd_closep(&script.leases[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	uint8_t how = fuzz_u8(&in);

	if (!world.fds)
		world_open();
	world_reset(limits_choose(how));
	script_begin(how);
	script_run(&in);
	all_are_answered();
	script_end();
	world_settle();
	return 0;
}
