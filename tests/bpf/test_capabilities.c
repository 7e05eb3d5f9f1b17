// SPDX-License-Identifier: MIT
/*
 * Which capabilities loading takes: CAP_BPF, and CAP_PERFMON only for speed.  Each
 * try is a child that has given up all others.
 */
#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bpf/lib/check.h"
#include "tests/bpf/lib/packet.h"
#include "tests/bpf/lib/reference.h"

#define BPF	  (1u << 0)
#define PERFMON	  (1u << 1)
#define NET_ADMIN (1u << 2)

static void keep_only(unsigned int caps)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (caps & BPF)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_BPF);
	if (caps & PERFMON)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_PERFMON);
	if (caps & NET_ADMIN)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN);
	if (capng_apply(CAPNG_SELECT_CAPS))
		_exit(255);
}

/* Loads, and steers a packet of each kind.  0, or the errno of what failed. */
static int load_and_steer(const char *path, int (*load)(struct object *, const char *))
{
	static const char *const packets[] = { "ip4 tcp", "ip6 udp", "ip4+opt udp",
					       "ip6 rt2 home tcp" };
	const struct steering s = check_steering();
	struct object o = OBJECT_INIT;
	int r = load(&o, path);

	if (r)
		return -r;
	object_steer(&o, &s);
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		struct reference_verdict v;
		struct packet p;

		packet_build(&p, packets[i]);
		reference_steer(&s, p.bytes, p.len, &v);
		if (object_queue(&o, p.bytes, p.len) != v.queue)
			return 254;
	}
	return 0;
}

static int try_with(unsigned int caps, const char *path, int (*load)(struct object *, const char *))
{
	int status = 0;
	pid_t child = fork();

	if (!child) {
		keep_only(caps);
		_exit(load_and_steer(path, load));
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static const char *need_path(const char *name)
{
	const char *path = object_path(name);

	if (geteuid())
		skip();
	if (!path)
		fail_msg("%s is not built", name);
	return path;
}

static void test_both(void **state)
{
	for (const char *const *name = check_names; *name; name++)
		assert_int_equal(try_with(BPF | PERFMON, need_path(*name), object_load), 0);
}

static void test_bpf_alone(void **state)
{
	for (const char *const *name = check_names; *name; name++)
		assert_int_equal(try_with(BPF, need_path(*name), object_load), 0);
}

static void test_reload_with_both(void **state)
{
	for (const char *const *name = check_names; *name; name++)
		assert_int_equal(try_with(BPF | PERFMON, need_path(*name), object_load_again), 0);
}

static void test_reload_with_bpf_alone(void **state)
{
	for (const char *const *name = check_names; *name; name++)
		assert_int_equal(try_with(BPF, need_path(*name), object_load_again), 0);
}

static void test_weaker_sets_are_refused(void **state)
{
	static const unsigned int weaker[] = { 0, PERFMON, NET_ADMIN, PERFMON | NET_ADMIN };

	for (const char *const *name = check_names; *name; name++)
		for (size_t i = 0; i < sizeof(weaker) / sizeof(weaker[0]); i++)
			assert_int_equal(try_with(weaker[i], need_path(*name), object_load), EPERM);
}

/* What makes our program's shape worth its trouble. */
static void test_qemu_object_takes_both(void **state)
{
	struct object o = OBJECT_INIT;
	const char *path = object_path_of_qemu();

	if (geteuid() || !path) {
		printf("# SKIP: not root, or no object of QEMU's\n");
		skip();
	}
	assert_int_equal(object_load(&o, path), 0);
	object_unload(&o);
	assert_int_equal(try_with(BPF, path, object_load), EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both),
		cmocka_unit_test(test_bpf_alone),
		cmocka_unit_test(test_reload_with_both),
		cmocka_unit_test(test_reload_with_bpf_alone),
		cmocka_unit_test(test_weaker_sets_are_refused),
		cmocka_unit_test(test_qemu_object_takes_both),
	};

	return cmocka_run_group_tests_name("capabilities", tests, NULL, NULL);
}
