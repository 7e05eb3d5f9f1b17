/* SPDX-License-Identifier: MIT */
/*
 * object_check() on real objects and on what damage makes of them.  libbpf may crash on
 * them, in object_check()'s child: here nothing must come of it but a reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bpf/object_check.h"
#include "tests/unit/damage.h"

/* Of each object; make soak: 600,000 in all. */
#define DAMAGED_EACH (getenv("RSSB_SOAK") ? 200000 : getenv("RSSB_VALGRIND") ? 20 : 1000)

static struct bytes objects[3]; /* the broker's two, QEMU's */

static struct bytes bytes_read(const char *path)
{
	FILE *file = fopen(path, "re");
	struct bytes b;
	struct stat st;

	if (!file || fstat(fileno(file), &st))
		fail_msg("%s: %s", path, strerror(errno));
	b.size = (size_t)st.st_size;
	b.data = malloc(b.size);
	assert_int_equal(fread(b.data, 1, b.size, file), b.size);
	fclose(file);
	return b;
}

static int load(void **state)
{
	const char *build = getenv("RSSB_BUILD") ?: "build";
	const char *qemu = getenv("RSSB_QEMU_OBJECT") ?: "build/qemu/10.0/rss.bpf.o";
	char path[4096];

	snprintf(path, sizeof(path), "%s/bpf/rss.bpf.o", build);
	objects[0] = bytes_read(path);
	snprintf(path, sizeof(path), "%s/bpf/rss-stats.bpf.o", build);
	objects[1] = bytes_read(path);
	objects[2] = bytes_read(qemu);
	return 0;
}

static int unload(void **state)
{
	for (size_t i = 0; i < 3; i++)
		free(objects[i].data);
	return 0;
}

static bool one_line(const char *why)
{
	for (const char *c = why; *c; c++)
		if (*c < ' ' || *c > '~')
			return false;
	return *why && strlen(why) < OBJECT_CHECK_WHY_MAX;
}

/* Judges, and checks that the verdict is well formed. */
static int judge(const struct bytes *b, struct object_check *ret)
{
	char why[OBJECT_CHECK_WHY_MAX] = "";
	struct object_check before = { .n_maps = 77 };
	int err;

	*ret = before;
	err = object_check(ret, b->data, b->size, why);
	if (err) {
		assert_int_equal(err, -EINVAL);
		assert_true(one_line(why));
		assert_memory_equal(ret, &before, sizeof(before));
		return err;
	}
	return 0;
}

static void real_objects_pass(void **state)
{
	static const struct object_check want[] = {
		{ 3, false, "Dual MIT/GPL" },
		{ 4, true, "Dual MIT/GPL" },
		{ 3, false, "GPL v2" },
	};

	for (size_t i = 0; i < 3; i++) {
		struct object_check shape;

		assert_int_equal(judge(&objects[i], &shape), 0);
		assert_int_equal(shape.n_maps, want[i].n_maps);
		assert_int_equal(shape.counts, want[i].counts);
		assert_string_equal(shape.license, want[i].license);
	}
}

/* The bytes need not be aligned. */
static void alignment_does_not_matter(void **state)
{
	for (size_t i = 0; i < 3; i++) {
		for (size_t shift = 0; shift < 8; shift++) {
			unsigned char *room = malloc(objects[i].size + shift);
			struct bytes b = { room + shift, objects[i].size };
			struct object_check shape;
			char why[OBJECT_CHECK_WHY_MAX];

			memcpy(b.data, objects[i].data, b.size);
			assert_int_equal(object_check(&shape, b.data, b.size, why), 0);
			free(room);
		}
	}
}

/* Nor are they ever written. */
static void input_is_left_alone(void **state)
{
	for (size_t i = 0; i < 3; i++) {
		struct bytes copy = bytes_copy(&objects[i], objects[i].size);
		struct object_check shape;

		judge(&copy, &shape);
		assert_memory_equal(copy.data, objects[i].data, copy.size);
		free(copy.data);
	}
}

static void truncated_objects_fail(void **state)
{
	for (size_t i = 0; i < 3; i++) {
		for (size_t size = 0; size < objects[i].size; size += size < 64 ? 1 : 61) {
			struct bytes b = bytes_copy(&objects[i], size);
			struct object_check shape;

			assert_int_not_equal(judge(&b, &shape), 0);
			free(b.data);
		}
	}
}

static void fault_32_damaged_objects_harm_nobody(void **state)
{
	unsigned passed = 0, failed = 0;

	const unsigned n = 3 * DAMAGED_EACH;

	for (unsigned i = 0; i < n; i++) {
		const struct bytes *good = &objects[i % 3];
		struct bytes b = bytes_copy(good, good->size);
		struct object_check shape;

		damage(&b, good);
		if (judge(&b, &shape))
			failed++;
		else
			passed++;
		free(b.data);
	}
	print_message("damaged objects: %u pass, %u fail\n", passed, failed);
	assert_true(passed > n / 100 && failed > n / 100);
}

static void ends_are_told_apart(void **state)
{
	char why[OBJECT_CHECK_WHY_MAX];

	object_check_explain_end(why, W_EXITCODE(0, SIGXCPU), 5);
	assert_string_equal(why, "it took more than 5 s of CPU time");
	object_check_explain_end(why, W_EXITCODE(0, SIGKILL), 5);
	assert_string_equal(why, "libbpf crashed on it: Killed");
	object_check_explain_end(why, W_EXITCODE(1, 0), 5);
	assert_string_equal(why, "the process that checked it ended without an answer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_objects_pass),
		cmocka_unit_test(alignment_does_not_matter),
		cmocka_unit_test(input_is_left_alone),
		cmocka_unit_test(truncated_objects_fail),
		cmocka_unit_test(ends_are_told_apart),
		cmocka_unit_test(fault_32_damaged_objects_harm_nobody),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
