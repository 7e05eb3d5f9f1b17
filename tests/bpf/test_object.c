// SPDX-License-Identifier: MIT
/*
 * What an object is, rather than what it does: QEMU's program name and maps, in order,
 * and nothing more; BTF; a bound on what the verifier has to do; the same bytes from
 * every build; and that its relocated instructions load again with other maps.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bpf/lib/check.h"
#include "tests/bpf/lib/packet.h"
#include "tests/bpf/lib/reference.h"

#define VERIFIED_INSNS_MAX 2500

static const struct map {
	const char *name;
	unsigned int value_size, max_entries;
} maps[] = {
	{ RSS_MAP_CONFIG_NAME, 10, 1 },
	{ RSS_MAP_KEY_NAME, 40, 1 },
	{ RSS_MAP_TABLE_NAME, 2, 128 },
	{ RSS_MAP_STATS_NAME, sizeof(struct rss_stats), 1 }, /* of those that count */
};

static struct bpf_object *open_object(const char *name)
{
	const char *path = object_path(name);
	struct bpf_object *bpf = path ? bpf_object__open_file(path, NULL) : NULL;

	if (!bpf)
		fail_msg("%s is not built", name);
	return bpf;
}

static void check_maps(const struct bpf_object *bpf, size_t count)
{
	struct bpf_map *map;
	size_t i = 0;

	bpf_object__for_each_map (map, bpf) {
		assert_true(i < count);
		assert_string_equal(bpf_map__name(map), maps[i].name);
		assert_int_equal(bpf_map__type(map), BPF_MAP_TYPE_ARRAY);
		assert_int_equal(bpf_map__key_size(map), 4);
		assert_int_equal(bpf_map__value_size(map), maps[i].value_size);
		assert_int_equal(bpf_map__max_entries(map), maps[i].max_entries);
		assert_int_equal(bpf_map__map_flags(map), BPF_F_MMAPABLE);
		assert_null(bpf_map__pin_path(map));
		i++;
	}
	assert_int_equal(i, count);
}

/* libbpf makes a map of a data section: so none of them means no data section. */
static void test_maps(void **state)
{
	for (const char *const *name = check_names; *name; name++) {
		struct bpf_object *bpf = open_object(*name);

		check_maps(bpf, strstr(*name, "stats") ? 4 : 3);
		bpf_object__close(bpf);
	}
}

static void test_one_program(void **state)
{
	for (const char *const *name = check_names; *name; name++) {
		struct bpf_object *bpf = open_object(*name);
		struct bpf_program *prog = bpf_object__next_program(bpf, NULL);

		assert_non_null(prog);
		assert_null(bpf_object__next_program(bpf, prog));
		assert_string_equal(bpf_program__name(prog), RSS_PROG_NAME);
		assert_string_equal(bpf_program__section_name(prog), "socket");
		assert_int_equal(bpf_program__type(prog), BPF_PROG_TYPE_SOCKET_FILTER);
		bpf_object__close(bpf);
	}
}

/* What is verified once and not for each call: without types the kernel does not know it. */
static void test_global_functions(void **state)
{
	static const char *const names[] = { RSS_PROG_NAME, "parse",	     "parse_step",
					     "parse_steps", "parse_network", "parse_tags",
					     "tunnel_enter" };

	for (const char *const *name = check_names; *name; name++) {
		struct bpf_object *bpf = open_object(*name);
		const struct btf *btf = bpf_object__btf(bpf);
		size_t n = strstr(*name, "tunnel") ? 7 : 4, globals = 0, known = 0;

		assert_non_null(btf);
		for (__u32 i = 1; i < btf__type_cnt(btf); i++) {
			const struct btf_type *t = btf__type_by_id(btf, i);

			globals += btf_is_func(t) && btf_vlen(t) == BTF_FUNC_GLOBAL;
		}
		for (size_t i = 0; i < n; i++)
			known += btf__find_by_name_kind(btf, names[i], BTF_KIND_FUNC) > 0;
		assert_int_equal(known, n);
		assert_int_equal(globals, known);
		bpf_object__close(bpf);
	}
}

static void test_verifier_effort(void **state)
{
	for (const char *const *name = check_names; *name; name++) {
		struct object o;

		if (!check_open(&o, *name))
			skip();
		printf("# %s: %u verified instructions, loaded in %.2f ms\n", *name,
		       o.insns_verified, (double)o.load_ns / 1e6);
		assert_in_range(o.insns_verified, 1, VERIFIED_INSNS_MAX);
		object_unload(&o);
	}
}

/* What the kernel says that the program's instructions take, in bytes; 0: it does not say. */
static unsigned long program_memory(int prog)
{
	char path[64], line[128];
	unsigned long bytes = 0;
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", prog);
	info = fopen(path, "re");
	assert_non_null(info);
	while (fgets(line, sizeof(line), info))
		sscanf(line, "memlock: %lu", &bytes);
	fclose(info);
	return bytes;
}

/*
 * Each set holds its instructions in whole pages: two without tunnels, three with them.  An
 * emulated host's kernel may put in more of its own.
 */
static void test_pages(void **state)
{
	if (getenv("RSSB_TIME_FACTOR"))
		skip();
	for (const char *const *name = check_names; *name; name++) {
		const long pages = strstr(*name, "tunnel") ? 3 : 2;
		struct object o;

		if (!check_open(&o, *name))
			skip();
		assert_in_range(program_memory(o.prog), 0, pages * sysconf(_SC_PAGESIZE));
		object_unload(&o);
	}
}

static void check_queue(const struct object *o, const struct steering *s, const char *words)
{
	struct reference_verdict v;
	struct packet p;

	packet_build(&p, words);
	reference_steer(s, p.bytes, p.len, &v);
	assert_int_equal(object_queue(o, p.bytes, p.len), v.queue);
}

/* Loaded by libbpf and loaded again, the two steer alike, each by its own maps. */
static void check_again(struct object *first, const char *name)
{
	const struct steering one = check_steering();
	struct object second = OBJECT_INIT;
	struct steering two = one;

	memset(two.key, 0x5a, sizeof(two.key));
	assert_int_equal(object_load_again(&second, object_path(name)), 0);
	object_steer(first, &one);
	object_steer(&second, &two);
	check_queue(first, &one, "ip4 tcp");
	check_queue(&second, &two, "ip4 tcp");
	check_queue(&second, &two, "ip6 rt2 home udp");
	object_steer(&second, &one);
	check_queue(&second, &one, "ip6 rt2 home udp");
	object_unload(&second);
}

static void test_instructions_load_again(void **state)
{
	for (const char *const *name = check_names; *name; name++) {
		struct object o;

		if (!check_open(&o, *name))
			skip();
		check_again(&o, *name);
		object_unload(&o);
	}
}

static int shell(const char *command)
{
	int status = -1;
	pid_t child = fork();

	if (!child) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	waitpid(child, &status, 0);
	return status;
}

/* Builds twice, the second time in another directory. */
static void test_reproducible(void **state)
{
	static const char script[] =
		"set -e; dir=$(mktemp -d); trap 'rm -rf $dir' EXIT; here=$PWD; "
		"mkdir -p $dir/a/b/tests; cp -r Makefile bpf $dir/a/b; "
		"cp tests/tests.mk $dir/a/b/tests; "
		"unset MAKEFLAGS MFLAGS MAKELEVEL; "
		"for name in %s; do "
		"make -s B=$dir/one $dir/one/bpf/$name.bpf.o; "
		"make -s -C $dir/a/b B=two two/bpf/$name.bpf.o; "
		"cmp $dir/one/bpf/$name.bpf.o $dir/a/b/two/bpf/$name.bpf.o; "
		"cmp $dir/one/bpf/$name.bpf.o ${RSSB_BUILD:-build}/bpf/$name.bpf.o; done";
	char names[256] = "", command[sizeof(script) + sizeof(names)];

	for (const char *const *name = check_names; *name; name++)
		strcat(strcat(names, " "), *name);
	snprintf(command, sizeof(command), script, names);
	assert_int_equal(shell(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_maps),
		cmocka_unit_test(test_one_program),
		cmocka_unit_test(test_global_functions),
		cmocka_unit_test(test_verifier_effort),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_instructions_load_again),
		cmocka_unit_test(test_reproducible),
	};

	return cmocka_run_group_tests_name("object", tests, NULL, NULL);
}
