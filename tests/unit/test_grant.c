/* SPDX-License-Identifier: MIT */
/* The table of grants: ids, labels, whose they are, and what ends with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "broker/front/grant.h"
#include "proto/util/fd.h"
#include "tests/unit/open_fds.h"

static struct grants grants;
static struct account alice = { .used = true, .uid = 1000 };
static struct account alice_too = { .used = true, .uid = 1000, .label = "svirt-1" };
static struct account root = { .used = true, .uid = 0 };
static unsigned fds_before;

static int setup(void **state)
{
	fds_before = open_fds();
	return grants_init(&grants);
}

static int teardown(void **state)
{
	for (size_t i = 0; i < GRANTS_MAX; i++) {
		if (grants.list[i].id)
			grant_end(&grants, &grants.list[i]);
	}
	return open_fds() == fds_before ? 0 : -1;
}

/* A grant; *ret_lease, if wanted, is the read end of its lease. */
static struct grant *new_grant(struct account *account, const char *label, int *ret_lease)
{
	struct rssb_request_acquire request = { .kind = RSSB_KIND_MANAGED };
	struct grant_maps maps = GRANT_MAPS_INIT;
	struct grant *grant;
	int lease[2];

	memcpy(request.label, label, strnlen(label, sizeof(request.label)));
	request.steering =
		(struct rssb_steering_wire){ .hash_types = 0x12, .queues = 5, .table_len = 4 };
	if (ret_lease) {
		assert_int_equal(pipe2(lease, O_CLOEXEC | O_NONBLOCK), 0);
		*ret_lease = lease[0];
		maps.lease_write = lease[1];
	}
	grant = grant_new(&grants, account, &request, &maps);
	assert_int_equal(maps.lease_write, -1); /* taken */
	return grant;
}

static struct grant *by_id(uint64_t id, const struct account *account)
{
	const struct rssb_grant_ref ref = { .id = id };

	return grant_find(&grants, &ref, account);
}

static struct grant *by_label(const char *label, const struct account *account)
{
	struct rssb_grant_ref ref = { 0 };

	memcpy(ref.label, label, strnlen(label, sizeof(ref.label)));
	return grant_find(&grants, &ref, account);
}

static bool is_taken(const char *label, const struct account *account)
{
	char field[RSSB_LABEL_MAX] = { 0 };

	memcpy(field, label, strnlen(label, sizeof(field)));
	return grant_label_taken(&grants, field, account);
}

static void what_a_grant_notes(void **state)
{
	const struct rssb_steering_wire update = { .hash_types = 0x1ff,
						   .queues = 256,
						   .table_len = 128 };
	struct grant *grant = new_grant(&alice, "web", NULL);

	assert_ptr_equal(grant->account, &alice);
	assert_int_equal(grant->kind, RSSB_KIND_MANAGED);
	assert_string_equal(grant->label, "web");
	assert_int_equal(grant->queues, 5);
	assert_int_equal(grant->table_len, 4);
	assert_int_equal(grant->hash_types, 0x12);
	grant_note_steering(grant, &update);
	assert_int_equal(grant->queues, 256);
	assert_int_equal(grant->table_len, 128);
	assert_int_equal(grant->hash_types, 0x1ff);
}

/*
 * Never 0, exact in a double, and without an order that tells how many there were: about
 * half of them are below the one before.
 */
static void fault_70_ids(void **state)
{
	unsigned n_below = 0;
	uint64_t last = 0;

	for (int i = 0; i < 5000; i++) {
		struct grant *grant = new_grant(&alice, "", NULL);

		assert_true(grant->id && grant->id < 1ull << 53 && grant->id != last);
		n_below += grant->id < last;
		last = grant->id;
		grant_end(&grants, grant);
		assert_null(by_id(last, &alice));
	}
	assert_in_range(n_below, 2000, 3000);
}

/* After a restart the same number of grants gives other ids. */
static void ids_of_another_start(void **state)
{
	uint64_t first = new_grant(&alice, "", NULL)->id;

	grant_end(&grants, &grants.list[0]);
	assert_int_equal(grants_init(&grants), 0);
	assert_true(new_grant(&alice, "", NULL)->id != first);
}

/* One that would be given twice is left out. */
static void ids_are_unique(void **state)
{
	struct grant *first = new_grant(&alice, "", NULL), *second;
	uint64_t id = first->id;

	grants.n_made--;
	second = new_grant(&alice, "", NULL);
	assert_true(second->id != id);
	assert_int_equal(grants.n_made, 2);
}

static void whose_grants(void **state)
{
	struct grant *a = new_grant(&alice, "web", NULL), *b = new_grant(&alice_too, "web", NULL);

	assert_ptr_equal(by_id(a->id, &alice), a);
	assert_null(by_id(b->id, &alice)); /* the same uid, another label */
	assert_null(by_id(a->id, &alice_too));
	assert_ptr_equal(by_label("web", &alice), a);
	assert_ptr_equal(by_label("web", &alice_too), b);
	assert_ptr_equal(by_id(a->id, &root), a); /* root finds anybody's */
	assert_ptr_equal(by_id(b->id, &root), b);
	assert_null(by_label("web", &root)); /* which of the two? */
	assert_null(by_id(0, &root));
	assert_null(by_id(a->id + 1000, &root));
	assert_null(by_label("webb", &root));
}

/* Root's own label goes before another's of the same name, whatever their order. */
static void roots_own_first(void **state)
{
	struct grant *before = new_grant(&alice, "web", NULL), *own, *behind;

	own = new_grant(&root, "web", NULL);
	behind = new_grant(&alice_too, "web", NULL);
	assert_ptr_equal(by_label("web", &root), own);
	grant_end(&grants, own);
	assert_null(by_label("web", &root)); /* whoever chooses a label chooses no other's grant */
	grant_end(&grants, before);
	assert_ptr_equal(by_label("web", &root), behind);
}

static void labels(void **state)
{
	struct grant *grant = new_grant(&alice, "sixteen-letters_", NULL);

	assert_false(is_taken("", &alice));
	assert_true(is_taken("sixteen-letters_", &alice));
	assert_false(is_taken("sixteen-letters", &alice)); /* a beginning is another label */
	assert_false(is_taken("sixteen-letters_", &alice_too));
	assert_false(is_taken("sixteen-letters_", &root));
	grant_end(&grants, grant);
	assert_false(is_taken("sixteen-letters_", &alice));
	new_grant(&alice, "", NULL);
	new_grant(&alice, "", NULL);
	assert_false(is_taken("", &alice)); /* none is never taken */
}

static void the_end_hangs_up_the_lease(void **state)
{
	int lease;
	struct grant *grant = new_grant(&alice, "web", &lease);
	uint64_t id = grant->id;
	char byte;

	assert_int_equal(read(lease, &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);
	grant_end(&grants, grant);
	assert_int_equal(read(lease, &byte, 1), 0);
	fd_closep(&lease);
	assert_null(by_id(id, &alice));
	assert_null(by_label("web", &alice));
}

/* Every slot can be used, and used again. */
static void the_whole_table(void **state)
{
	struct grant *grant = NULL;

	for (uint32_t i = 0; i < GRANTS_MAX; i++) {
		grant = new_grant(&alice, "", NULL);
		assert_int_equal(grant_index(&grants, grant), i);
	}
	assert_ptr_equal(by_id(grant->id, &alice), grant);
	for (uint32_t i = 0; i < GRANTS_MAX; i++) {
		struct grant *ended = &grants.list[(i * 977) % GRANTS_MAX];

		grant_end(&grants, ended);
		assert_ptr_equal(new_grant(&alice, "", NULL), ended);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_a_grant_notes, setup, teardown),
		cmocka_unit_test_setup_teardown(fault_70_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(ids_of_another_start, setup, teardown),
		cmocka_unit_test_setup_teardown(ids_are_unique, setup, teardown),
		cmocka_unit_test_setup_teardown(whose_grants, setup, teardown),
		cmocka_unit_test_setup_teardown(roots_own_first, setup, teardown),
		cmocka_unit_test_setup_teardown(labels, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_hangs_up_the_lease, setup, teardown),
		cmocka_unit_test_setup_teardown(the_whole_table, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
