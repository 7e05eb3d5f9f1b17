// SPDX-License-Identifier: MIT
#include "tests/bpf/lib/object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "proto/util/fd.h"

static const char *const map_names[] = { RSS_MAP_CONFIG_NAME, RSS_MAP_KEY_NAME, RSS_MAP_TABLE_NAME,
					 RSS_MAP_STATS_NAME };
#define MAPS (sizeof(map_names) / sizeof(map_names[0]))

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static int map_view(int fd, size_t len, volatile void *ret)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	memcpy((void *)ret, &at, sizeof(at));
	return 0;
}

static size_t stats_bytes(void)
{
	return (size_t)libbpf_num_possible_cpus() * sizeof(struct rss_stats);
}

static int object_map(struct object *o)
{
	int r;

	if ((r = map_view(o->config_fd, sizeof(struct rss_config), &o->config)) ||
	    (r = map_view(o->key_fd, RSS_KEY_LEN, &o->key)) ||
	    (r = map_view(o->table_fd, OBJECT_TABLE_BYTES, &o->table)))
		return r;
	return o->stats_fd < 0 ? 0 : map_view(o->stats_fd, stats_bytes(), &o->stats);
}

static void object_ask_kernel(struct object *o)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	if (!bpf_obj_get_info_by_fd(o->prog, &info, &len))
		o->insns_verified = info.verified_insns;
}

static struct bpf_object *open_and_load(const char *path, uint64_t *ret_ns)
{
	uint64_t start = now_ns();
	struct bpf_object *bpf;
	struct bpf_map *stats;
	int r;

	libbpf_set_print(quiet);
	bpf = bpf_object__open_file(path, NULL);
	if (!bpf)
		return NULL;
	stats = bpf_object__find_map_by_name(bpf, RSS_MAP_STATS_NAME);
	if (stats)
		bpf_map__set_max_entries(stats, (__u32)libbpf_num_possible_cpus());
	r = bpf_object__load(bpf);
	if (r) {
		bpf_object__close(bpf);
		errno = -r;
		return NULL;
	}
	*ret_ns = now_ns() - start;
	return bpf;
}

/* Where an object keeps the fd of each map, in the order of map_names. */
static int *own_fd(struct object *o, size_t i)
{
	int *const fds[MAPS] = { &o->config_fd, &o->key_fd, &o->table_fd, &o->stats_fd };

	return fds[i];
}

/* Takes the program and the maps; only the counters may be missing. */
static int take_fds(struct object *o, const struct bpf_object *bpf)
{
	const struct bpf_program *prog = bpf_object__find_program_by_name(bpf, RSS_PROG_NAME);

	o->prog = prog ? dup(bpf_program__fd(prog)) : -1;
	for (size_t i = 0; i < MAPS; i++) {
		const struct bpf_map *map = bpf_object__find_map_by_name(bpf, map_names[i]);

		*own_fd(o, i) = map ? dup(bpf_map__fd(map)) : -1;
	}
	return o->prog < 0 || o->config_fd < 0 || o->key_fd < 0 || o->table_fd < 0 ? -ENOENT : 0;
}

/* Maps the maps; an object that cannot be had in full is none. */
static int object_finish(struct object *o, int r)
{
	if (!r)
		r = object_map(o);
	if (r)
		object_unload(o);
	else
		object_ask_kernel(o);
	return r;
}

int object_load(struct object *o, const char *path)
{
	struct bpf_object *bpf = open_and_load(path, &o->load_ns);
	int r;

	if (!bpf)
		return -errno;
	r = take_fds(o, bpf);
	bpf_object__close(bpf);
	return object_finish(o, r);
}

/* A map like the one that fd is. */
static int map_again(int like, const char *name)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(like, &info, &len))
		return -errno;
	opts.map_flags = info.map_flags;
	return bpf_map_create(info.type, name, info.key_size, info.value_size, info.max_entries,
			      &opts);
}

/* Puts the fd of our own map wherever the instructions load the other one. */
static void insns_replace(struct bpf_insn *insns, size_t n, int from, int to)
{
	for (size_t i = 0; i < n; i++)
		if (insns[i].code == (BPF_LD | BPF_IMM | BPF_DW) &&
		    insns[i].src_reg == BPF_PSEUDO_MAP_FD && insns[i].imm == from)
			insns[i].imm = to;
}

uint32_t object_functions(const struct bpf_program *prog, struct bpf_func_info *ret)
{
	const struct bpf_insn *insns = bpf_program__insns(prog);
	size_t n = bpf_program__insn_cnt(prog);
	struct bpf_prog_info info = { .nr_func_info = OBJECT_FUNCTIONS_MAX,
				      .func_info_rec_size = sizeof(*ret),
				      .func_info = (uintptr_t)ret };
	uint32_t len = sizeof(info), count = 0;

	if (bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
		return 0;
	for (size_t at = 0; at < n && count < info.nr_func_info; at++) {
		bool begins = at == 0;

		for (size_t i = 0; i < n && !begins; i++)
			begins = insns[i].code == (BPF_JMP | BPF_CALL) &&
				 insns[i].src_reg == BPF_PSEUDO_CALL &&
				 i + 1 + (size_t)insns[i].imm == at;
		if (begins)
			ret[count++].insn_off = (uint32_t)at;
	}
	return count;
}

static int program_again(struct object *o, struct bpf_object *bpf)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(bpf, RSS_PROG_NAME);
	size_t n = prog ? bpf_program__insn_cnt(prog) : 0;
	struct bpf_insn *insns = calloc(n, sizeof(*insns));
	struct bpf_func_info funcs[OBJECT_FUNCTIONS_MAX];
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .func_info = funcs,
		    .func_info_rec_size = sizeof(funcs[0]));

	if (!n || !insns) {
		free(insns);
		return -ENOENT;
	}
	memcpy(insns, bpf_program__insns(prog), n * sizeof(*insns));
	for (size_t i = 0; i < MAPS; i++) {
		int fd = bpf_object__find_map_fd_by_name(bpf, map_names[i]);

		if (fd < 0)
			continue;
		*own_fd(o, i) = map_again(fd, map_names[i]);
		insns_replace(insns, n, fd, *own_fd(o, i));
	}
	opts.func_info_cnt = object_functions(prog, funcs);
	opts.prog_btf_fd = (__u32)bpf_object__btf_fd(bpf);
	o->prog = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, RSS_PROG_NAME, "Dual MIT/GPL", insns,
				n, &opts);
	free(insns);
	return o->prog < 0 ? -errno : 0;
}

int object_load_again(struct object *o, const char *path)
{
	struct bpf_object *bpf = open_and_load(path, &o->load_ns);
	int r;

	if (!bpf)
		return -errno;
	r = program_again(o, bpf);
	bpf_object__close(bpf);
	return object_finish(o, r);
}

void object_unload(struct object *o)
{
	if (o->config)
		munmap((void *)o->config, sizeof(struct rss_config));
	if (o->key)
		munmap((void *)o->key, RSS_KEY_LEN);
	if (o->table)
		munmap((void *)o->table, OBJECT_TABLE_BYTES);
	if (o->stats)
		munmap((void *)o->stats, stats_bytes());
	fd_closep(&o->prog);
	for (size_t i = 0; i < MAPS; i++)
		fd_closep(own_fd(o, i));
	*o = (struct object)OBJECT_INIT;
}

void object_steer(const struct object *o, const struct steering *s)
{
	uint32_t word0;

	memcpy(&word0, s->key, sizeof(word0));
	word0 = ntohl(word0);
	memcpy((void *)o->key, &word0, sizeof(word0));
	memcpy((void *)(o->key + 4), s->key + 4, RSS_KEY_LEN - 4);
	for (size_t i = 0; i < RSS_TABLE_MAX; i++)
		memcpy((void *)(o->table + RSS_TABLE_STRIDE * i), &s->table[i], 2);
	*o->config = (struct rss_config){
		.redirect = s->redirect,
		.hash_types = s->hash_types,
		.table_len = s->table_len,
		.default_queue = s->default_queue,
	};
}

void object_counts(const struct object *o, struct rss_stats *ret)
{
	uint64_t *sum = (uint64_t *)ret;

	memset(ret, 0, sizeof(*ret));
	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
		for (size_t i = 0; i < sizeof(*ret) / sizeof(*sum); i++)
			sum[i] += ((volatile uint64_t *)&o->stats[cpu])[i];
}

static int run(const struct object *o, struct bpf_test_run_opts *opts)
{
	return bpf_prog_test_run_opts(o->prog, opts) ? -errno : 0;
}

int object_queue(const struct object *o, const void *packet, size_t len)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = (uint32_t)len);
	int r = run(o, &opts);

	return r ? r : (int)opts.retval;
}

int object_time(const struct object *o, const void *packet, size_t len, unsigned int repeat,
		uint64_t *ret_ns)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = (uint32_t)len,
		    .repeat = (int)repeat);
	uint64_t start = now_ns();
	int r = run(o, &opts);

	if (!r)
		*ret_ns = now_ns() - start;
	return r;
}

const char *object_path(const char *name)
{
	static char path[512];
	const char *build = getenv("RSSB_BUILD");

	snprintf(path, sizeof(path), "%s/bpf/%s.bpf.o", build ? build : "build", name);
	return access(path, R_OK) ? NULL : path;
}

const char *object_path_of_qemu(void)
{
	static char path[512];
	const char *env = getenv("RSSB_QEMU_OBJECT");
	glob_t found = { 0 };

	if (env)
		snprintf(path, sizeof(path), "%s", env);
	else if (!glob("build/qemu/*/rss.bpf.o", 0, NULL, &found))
		snprintf(path, sizeof(path), "%s", found.gl_pathv[0]);
	globfree(&found);
	return access(path, R_OK) ? NULL : path;
}
