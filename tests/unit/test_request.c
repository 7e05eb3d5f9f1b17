/* SPDX-License-Identifier: MIT */
/*
 * The operations without root and without a kernel's help: what each reply
 * carries, what stays here, and that a refusal leaves everything as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>

#include "broker/front/operations.h"
#include "tests/unit/fake_set.h"
#include "tests/unit/open_fds.h"

static struct service service;
static struct account alice = { .used = true, .uid = 1000 }, bob = { .used = true, .uid = 1001 };
static struct loader_link loader;
static int peer;
static unsigned fds_before;

static const struct objects objects = {
	.n_cpus = FAKE_CPUS,
	.n_blocks = FAKE_CPUS,
	.n = 2,
	.list = { { .name = "rss", .elf = "ELF one", .size = 7, .abi = 1, .id = { 1 } },
		  { .name = "rss-stats",
		    .elf = "ELF two!",
		    .size = 8,
		    .abi = 1,
		    .counts = true,
		    .id = { 2 } } },
};

/* Puts n sets of an object on the stock. */
static void stock(unsigned object, unsigned n)
{
	unsigned got;
	int err;

	service.pool.stocks[object].target = n;
	pool_restock(&service.pool, object, 0);
	while (fake_loader_serve(peer, object, objects.list[object].counts),
	       !pool_receive(&service.pool, &got, &err)) {
		assert_int_equal(err, 0);
		pool_restock(&service.pool, object, 0);
	}
}

static int setup(void **state)
{
	fds_before = open_fds();
	memset(&service, 0, sizeof(service));
	service.objects = objects;
	service.memory = (struct memory){ .percent = 75, .otherwise = 256 << 20 };
	service.accounts.limits = (struct limits)LIMITS_DEFAULT;
	service.now_ms = 1000000;
	alice.n_grants = bob.n_grants = 0;
	alice.live_bytes = bob.live_bytes = 0;
	alice.ended = bob.ended = (struct token_bucket){ 0 };
	fake_loader_open(&loader, &peer);
	pool_init(&service.pool, &loader, &service.objects, 4);
	return grants_init(&service.grants);
}

static int teardown(void **state)
{
	struct set set;

	for (unsigned object = 0; object < 2; object++) {
		while (!pool_take(&service.pool, object, false, &set))
			set_done(&set);
	}
	for (size_t i = 0; i < GRANTS_MAX; i++) {
		if (service.grants.list[i].id)
			grant_end(&service.grants, &service.grants.list[i]);
	}
	fd_closep(&loader.sock);
	fd_closep(&peer);
	return open_fds() == fds_before ? 0 : -1;
}

/* --- asking ------------------------------------------------------------------- */

static union rssb_request acquire(uint16_t kind, uint16_t flags, const char *label)
{
	union rssb_request r = { .acquire = { .header = { .op = RSSB_OP_ACQUIRE },
					      .kind = kind,
					      .flags = flags,
					      .object = { .abi = RSSB_ABI_QEMU_RSS_1 } } };

	memcpy(r.acquire.label, label, strlen(label));
	if (!(flags & RSSB_ACQUIRE_NO_CONFIG))
		r.acquire.steering =
			(struct rssb_steering_wire){ 0x12, 8, 5, 2, 40, .table = { 6, 7 } };
	return r;
}

static union rssb_request of_grant(enum rssb_op op, uint64_t id)
{
	union rssb_request r = { .release = { .header = { .op = (uint16_t)op },
					      .grant = { .id = id } } };

	if (op == RSSB_OP_UPDATE)
		r.update.steering =
			(struct rssb_steering_wire){ 0x24, 4, 1, 1, 40, .table = { 3 } };
	return r;
}

static void perform(struct account *account, union rssb_request r, struct outcome *ret)
{
	outcome_init(ret, r.header.op);
	assert_int_equal(operation_perform(&service, account, &r, ret), 0);
}

/* A refusal of that status; nothing comes with it. */
static void expect_refused(struct account *account, union rssb_request r, enum rssb_status status)
{
	int fds[RSSB_FDS_MAX];
	struct outcome o;

	perform(account, r, &o);
	assert_int_equal(o.reply.base.status, status);
	assert_true(o.reply.base.reason[0] != '\0');
	assert_int_equal(outcome_fds(&o, fds), 0);
	assert_int_equal(o.reply.base.n_fds, 0);
	assert_null(o.grant);
	outcome_done(&o);
}

static void expect_roles(struct outcome *o, const uint8_t want[8], size_t n)
{
	int fds[RSSB_FDS_MAX];

	assert_int_equal(o->reply.base.status, RSSB_OK);
	assert_int_equal(outcome_fds(o, fds), n);
	assert_int_equal(o->reply.base.n_fds, n);
	assert_memory_equal(o->reply.base.roles, want, 8);
	for (size_t i = 0; i < n; i++)
		assert_true(fcntl(fds[i], F_GETFD) == FD_CLOEXEC);
}

static unsigned byte_at(int fd, off_t at)
{
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	return byte;
}

/* --- INFO, OBJECT, EXPORT -------------------------------------------------------- */

static void info(void **state)
{
	struct outcome o;

	perform(&alice, (union rssb_request){ .header.op = RSSB_OP_INFO }, &o);
	assert_string_equal(o.reply.info.version, PACKAGE_VERSION);
	assert_int_equal(o.reply.info.n_objects, 2);
	assert_int_equal(o.reply.info.queues_max, 256);
	assert_int_equal(o.reply.info.table_max, 128);
	assert_int_equal(o.reply.info.ops, 0x7fe);
	assert_int_equal(o.reply.info.kinds, 0xe);
}

static void object(void **state)
{
	union rssb_request r = { .object = { .header = { .op = RSSB_OP_OBJECT }, .index = 1 } };
	struct outcome o;

	perform(&alice, r, &o);
	assert_string_equal(o.reply.object.name, "rss-stats");
	assert_int_equal(o.reply.object.id[0], 2);
	assert_int_equal(o.reply.object.size, 8);
	assert_int_equal(o.reply.object.abi, 1);
	r.object.index = UINT32_MAX;
	expect_refused(&alice, r, RSSB_NO_OBJECT);
}

static void export(void **state)
{
	static const uint8_t roles[8] = { RSSB_ROLE_ELF };
	union rssb_request r = { .export = { .header = { .op = RSSB_OP_EXPORT },
					     .object = { .by = RSSB_BY_ID, .id = { 2 } } } };
	struct outcome o;
	char bytes[16];

	perform(&alice, r, &o);
	expect_roles(&o, roles, 1);
	assert_int_equal(lseek(o.elf, 0, SEEK_CUR), 0);
	assert_int_equal(read(o.elf, bytes, sizeof(bytes)), 8);
	assert_memory_equal(bytes, "ELF two!", 8);
	assert_int_equal(write(o.elf, "x", 1), -1);
	assert_int_equal(ftruncate(o.elf, 0), -1);
	assert_int_equal(fcntl(o.elf, F_ADD_SEALS, F_SEAL_WRITE), -1);
	outcome_done(&o);
	r.export.object.id[31] = 1;
	expect_refused(&alice, r, RSSB_NO_OBJECT);
}

/* --- ACQUIRE -------------------------------------------------------------------------- */

static void handoff(void **state)
{
	static const uint8_t roles[8] = { 1, 2, 3, 4, 5 };
	struct outcome o;

	stock(0, 1);
	perform(&alice, acquire(RSSB_KIND_HANDOFF, 0, "web"), &o);
	expect_roles(&o, roles, 5);
	assert_int_equal(o.reply.acquire.grant_id, o.grant->id);
	assert_int_equal(o.reply.acquire.object_id[0], 1);
	assert_int_equal(byte_at(o.set.fds.config, 0), 1);
	assert_int_equal(byte_at(o.set.fds.config, 8), 5);
	assert_int_equal(byte_at(o.set.fds.table, 8), 7);
	assert_true(o.grant->maps.lease_write >= 0);
	assert_int_equal(alice.n_grants, 1);
	outcome_done(&o);
	assert_int_equal(open_fds(), fds_before + 2 + 1); /* the line, and the lease's end */
}

static void no_config(void **state)
{
	struct outcome o;

	stock(0, 1);
	perform(&alice, acquire(RSSB_KIND_HANDOFF, RSSB_ACQUIRE_NO_CONFIG, ""), &o);
	assert_int_equal(byte_at(o.set.fds.config, 0), 0);
	assert_int_equal(o.grant->queues, 0);
	outcome_done(&o);
}

static void program_only(void **state)
{
	static const uint8_t roles[8] = { 1, 5 };
	struct outcome o;

	stock(0, 1);
	perform(&alice, acquire(RSSB_KIND_PROGRAM_ONLY, 0, ""), &o);
	expect_roles(&o, roles, 2);
	outcome_done(&o);
	assert_int_equal(open_fds(), fds_before + 2 + 1);
}

static void kept(void **state)
{
	static const uint8_t roles[8] = { 1 };
	struct outcome o;

	stock(0, 1);
	perform(&alice, acquire(RSSB_KIND_MANAGED, RSSB_ACQUIRE_KEEP, "kept"), &o);
	expect_roles(&o, roles, 1);
	assert_int_equal(o.grant->maps.lease_write, -1);
	assert_non_null(o.grant->maps.steering);
	outcome_done(&o);
	assert_int_equal(open_fds(), fds_before + 2);
}

/* An empty pool makes no grant and takes nothing; later the same request is served. */
static void empty_pool(void **state)
{
	union rssb_request r = acquire(RSSB_KIND_HANDOFF, RSSB_ACQUIRE_STATS, "");
	struct outcome o;

	stock(0, 1);
	outcome_init(&o, r.header.op);
	assert_int_equal(operation_perform(&service, &alice, &r, &o), -EAGAIN);
	assert_int_equal(o.object, 1);
	assert_int_equal(alice.n_grants, 0);
	assert_int_equal(service.memory.handed_out, 0); /* who asks in vain leaves it to others */
	outcome_done(&o);
	stock(1, 1);
	perform(&alice, r, &o);
	assert_int_equal(o.reply.acquire.object_id[0], 2);
	assert_non_null(o.grant->maps.stats);
	assert_int_equal(service.memory.handed_out, service.pool.stocks[1].weight);
	outcome_done(&o);
}

static void refused_acquires(void **state)
{
	union rssb_request r = acquire(RSSB_KIND_HANDOFF, 0, "web");
	struct outcome o;

	stock(0, 2);
	perform(&alice, r, &o);
	outcome_done(&o);
	expect_refused(&alice, r, RSSB_LABEL_TAKEN);
	r.acquire.label[0] = 'v';
	service.accounts.limits.grants = 1;
	expect_refused(&alice, r, RSSB_LIMIT);
	service.accounts.limits.grants = 100;
	service.memory.otherwise = 0;
	expect_refused(&alice, r, RSSB_LIMIT);
	service.memory.otherwise = 256 << 20;
	r.acquire.object = (struct rssb_object_ref){ .by = RSSB_BY_ID, .id = { 3 } };
	expect_refused(&bob, r, RSSB_NO_OBJECT);
	assert_int_equal(service.pool.stocks[0].n_ready, 1);
	assert_int_equal(service.accounts.n_grants, 1);
	perform(&bob, acquire(RSSB_KIND_HANDOFF, 0, "web"), &o);
	assert_int_equal(o.reply.base.status, RSSB_OK);
	outcome_done(&o);
}

/* --- UPDATE, STATS, RELEASE ----------------------------------------------------------- */

static void update(void **state)
{
	struct outcome o, done;
	uint64_t id;
	int table;

	stock(0, 1);
	table = dup(service.pool.stocks[0].ready[0].fds.table);
	perform(&alice, acquire(RSSB_KIND_MANAGED, 0, ""), &o);
	id = o.grant->id;
	assert_int_equal(byte_at(table, 0), 6);
	expect_refused(&bob, of_grant(RSSB_OP_UPDATE, id), RSSB_NO_GRANT);
	assert_int_equal(byte_at(table, 0), 6);
	perform(&alice, of_grant(RSSB_OP_UPDATE, id), &done);
	assert_int_equal(done.reply.base.status, RSSB_OK);
	assert_int_equal(byte_at(table, 0), 3);
	assert_int_equal(o.grant->queues, 4);
	fd_closep(&table);
	outcome_done(&o);
}

static void wrong_kinds(void **state)
{
	struct outcome o;

	stock(0, 2);
	for (int kind = RSSB_KIND_HANDOFF; kind <= RSSB_KIND_PROGRAM_ONLY; kind++) {
		perform(&alice, acquire((uint16_t)kind, 0, ""), &o);
		expect_refused(&alice, of_grant(RSSB_OP_UPDATE, o.grant->id), RSSB_WRONG_KIND);
		expect_refused(&alice, of_grant(RSSB_OP_STATS, o.grant->id), RSSB_WRONG_KIND);
		outcome_done(&o);
	}
}

static void stats(void **state)
{
	const struct rss_count five = { 5, 500 };
	struct outcome o, counts;
	int fds[RSSB_FDS_MAX];
	struct set *ready;

	stock(1, 1);
	/* The test plays the program, which alone may write them. */
	ready = &service.pool.stocks[1].ready[0];
	assert_int_equal(mprotect((void *)ready->maps.stats, 4096, PROT_READ | PROT_WRITE), 0);
	memcpy((void *)&ready->maps.stats->queue[3], &five, sizeof(five));
	perform(&alice, acquire(RSSB_KIND_HANDOFF, RSSB_ACQUIRE_STATS, ""), &o);
	assert_int_equal(outcome_fds(&o, fds), 5); /* not the counters */
	perform(&alice, of_grant(RSSB_OP_STATS, o.grant->id), &counts);
	assert_int_equal(counts.reply.stats.grant_id, o.grant->id);
	assert_int_equal(counts.reply.stats.queues, 8);
	assert_int_equal(counts.reply.stats.table_len, 2);
	assert_int_equal(counts.reply.stats.hash_types, 0x12);
	assert_true(counts.reply.stats.time_ns > 0);
	assert_int_equal(counts.reply.stats.queue[3].packets, 5);
	assert_int_equal(counts.reply.stats.queue[3].bytes, 500);
	expect_refused(&bob, of_grant(RSSB_OP_STATS, o.grant->id), RSSB_NO_GRANT);
	outcome_done(&o);
}

static void release(void **state)
{
	struct outcome o, done;
	uint64_t id;
	char byte;

	stock(0, 1);
	perform(&alice, acquire(RSSB_KIND_HANDOFF, 0, ""), &o);
	id = o.grant->id;
	expect_refused(&bob, of_grant(RSSB_OP_RELEASE, id), RSSB_NO_GRANT);
	perform(&alice, of_grant(RSSB_OP_RELEASE, id), &done);
	assert_int_equal(done.reply.base.status, RSSB_OK);
	assert_int_equal(read(o.set.lease_read, &byte, 1), 0);
	assert_int_equal(alice.n_grants, 0);
	assert_int_equal(service.accounts.n_grants, 0);
	expect_refused(&alice, of_grant(RSSB_OP_RELEASE, id), RSSB_NO_GRANT);
	outcome_done(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(info, setup, teardown),
		cmocka_unit_test_setup_teardown(object, setup, teardown),
		cmocka_unit_test_setup_teardown(export, setup, teardown),
		cmocka_unit_test_setup_teardown(handoff, setup, teardown),
		cmocka_unit_test_setup_teardown(no_config, setup, teardown),
		cmocka_unit_test_setup_teardown(program_only, setup, teardown),
		cmocka_unit_test_setup_teardown(kept, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_pool, setup, teardown),
		cmocka_unit_test_setup_teardown(refused_acquires, setup, teardown),
		cmocka_unit_test_setup_teardown(update, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(stats, setup, teardown),
		cmocka_unit_test_setup_teardown(release, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
