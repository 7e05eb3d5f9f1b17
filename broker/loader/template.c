/* SPDX-License-Identifier: MIT */
/*
 * A loaded object as a template.  It is loaded in a trial's child (trial.h), and sets
 * are made of it in the loader; nothing here may depend on a client.
 */
#include "broker/loader/template.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "bpf/rss_maps.h"
#include "proto/util/fd.h"

static bool insn_is_wide(const struct bpf_insn *in)
{
	return in->code == (BPF_LD | BPF_IMM | BPF_DW);
}

static bool insn_has_map(const struct bpf_insn *in)
{
	return insn_is_wide(in) &&
	       (in->src_reg == BPF_PSEUDO_MAP_FD || in->src_reg == BPF_PSEUDO_MAP_VALUE);
}

/* The place of the map with libbpf's fd among the object's maps, or -EINVAL. */
static int map_index(const struct bpf_object *obj, int fd)
{
	const struct bpf_map *map;
	int i = 0;

	bpf_object__for_each_map (map, obj) {
		if (bpf_map__fd(map) == fd)
			return i;
		i++;
	}
	return -EINVAL;
}

static int template_read_insns(struct template *t, const struct bpf_object *obj,
			       const struct bpf_program *prog, size_t room)
{
	size_t n = bpf_program__insn_cnt(prog);

	if (n > room)
		return -E2BIG;
	t->n_insns = n;
	memcpy(t->insns, bpf_program__insns(prog), n * sizeof(*t->insns));
	for (size_t i = 0; i < n; i += insn_is_wide(&t->insns[i]) ? 2 : 1) {
		if (!insn_has_map(&t->insns[i]))
			continue;
		t->insns[i].imm = map_index(obj, t->insns[i].imm);
		if (t->insns[i].imm < 0)
			return -EINVAL;
	}
	return 0;
}

/* Of the kernel's own numbers none but maps, and nothing that it has to resolve. */
static bool insn_is_sound(const struct bpf_insn *in, size_t n_maps)
{
	if (insn_has_map(in))
		return in->imm >= 0 && (size_t)in->imm < n_maps;
	if (insn_is_wide(in))
		return in->src_reg == 0 || in->src_reg == BPF_PSEUDO_FUNC;
	if (in->code == (BPF_JMP | BPF_CALL))
		return in->src_reg == 0 || in->src_reg == BPF_PSEUDO_CALL;
	return true;
}

bool template_insns_are_sound(const struct bpf_insn *insns, size_t n, size_t n_maps)
{
	for (size_t i = 0; i < n; i += insn_is_wide(&insns[i]) ? 2 : 1) {
		if (!insn_is_sound(&insns[i], n_maps) || (insn_is_wide(&insns[i]) && i + 1 == n))
			return false;
	}
	return true;
}

/* Whether an instruction calls a function of the program, or has its address. */
static bool insn_has_func(const struct bpf_insn *in)
{
	return (in->code == (BPF_JMP | BPF_CALL) && in->src_reg == BPF_PSEUDO_CALL) ||
	       (insn_is_wide(in) && in->src_reg == BPF_PSEUDO_FUNC);
}

/* Where the first function beyond `after` begins; UINT32_MAX: nowhere. */
static __u32 func_start(const struct template *t, __u32 after)
{
	__u32 start = UINT32_MAX;

	for (size_t i = 0; i < t->n_insns; i += insn_is_wide(&t->insns[i]) ? 2 : 1) {
		__u32 callee = (__u32)(i + 1) + (__u32)t->insns[i].imm;

		if (insn_has_func(&t->insns[i]) && callee > after && callee < start)
			start = callee;
	}
	return start;
}

/*
 * The types of the functions: with them the kernel verifies a global function once, not
 * for each call.  It tells the types in order, but places in the program as it rewrote it.
 */
static int template_read_funcs(struct template *t, int prog)
{
	struct bpf_prog_info info = {
		.nr_func_info = TEMPLATE_FUNCS_MAX,
		.func_info_rec_size = sizeof(t->funcs[0]),
		.func_info = (uintptr_t)t->funcs,
	};
	__u32 start = 0, len = sizeof(info);

	if (bpf_obj_get_info_by_fd(prog, &info, &len))
		return -errno;
	if (info.nr_func_info > TEMPLATE_FUNCS_MAX)
		return -E2BIG;
	t->n_funcs = info.nr_func_info;
	for (size_t i = 0; i < t->n_funcs; i++) {
		if (start == UINT32_MAX)
			return -EINVAL;
		t->funcs[i].insn_off = start;
		start = func_start(t, start);
	}
	/* Of functions that are never called the kernel tells nothing: which are the others? */
	return t->n_funcs && start != UINT32_MAX ? -ENOTSUP : 0;
}

static int template_read(struct template *t, const struct bpf_object *obj, size_t room)
{
	const struct bpf_program *prog = bpf_object__next_program(obj, NULL);
	struct template_types *types = t->types;
	const struct bpf_map *map;
	int err;

	if (!prog)
		return -ENOENT;
	if (bpf_object__btf_fd(obj) >= 0) {
		t->btf_fd = fcntl(bpf_object__btf_fd(obj), F_DUPFD_CLOEXEC, 0);
		if (t->btf_fd < 0)
			return -errno;
	}
	/* As many as the check has counted. */
	bpf_object__for_each_map (map, obj) {
		types->key = bpf_map__btf_key_type_id(map);
		types++->value = bpf_map__btf_value_type_id(map);
	}
	err = template_read_insns(t, obj, prog, room);
	return err ? err : template_read_funcs(t, bpf_program__fd(prog));
}

/* The counters are the last map; their number is this machine's. */
static int stats_resize(const struct bpf_object *obj, const struct object_check *check,
			unsigned n_blocks)
{
	if (!check->counts)
		return 0;
	return bpf_map__set_max_entries(bpf_object__prev_map(obj, NULL), n_blocks);
}

/* The kernel's BPF_LOG_STATS: the verifier writes why it refuses a program, and counts. */
#define LOG_STATS 4

/* The verifier's last line but the counts says why it refuses a program. */
static void explain(char why[OBJECT_CHECK_WHY_MAX], int err, char *verifier_log)
{
	const char *error = strerrordesc_np(-err) ?: "unknown error", *last;
	char *end = strstr(verifier_log, "\nverification time ");
	char said[OBJECT_CHECK_WHY_MAX];

	if (end) {
		*end = '\0';
		last = strrchr(verifier_log, '\n');
		snprintf(why, OBJECT_CHECK_WHY_MAX, "the verifier refuses it (%s): %.100s", error,
			 last ? last + 1 : verifier_log);
		return;
	}
	memcpy(said, why, sizeof(said));
	snprintf(why, OBJECT_CHECK_WHY_MAX, "it cannot be loaded (%s)%s%.100s", error,
		 said[0] ? ": " : "", said);
}

static int object_load(struct bpf_object *obj, const struct object_check *check, unsigned n_blocks,
		       char *verifier_log, char why[OBJECT_CHECK_WHY_MAX])
{
	int err = stats_resize(obj, check, n_blocks);

	object_check_listen(why);
	if (!err)
		err = bpf_object__load(obj);
	object_check_listen(NULL);
	if (err == -ENOSPC) /* of the buffer, for what the verifier says while it refuses */
		err = -EACCES;
	if (err)
		explain(why, err, verifier_log);
	return err;
}

int template_load(struct template *ret, const char *name, const void *elf, size_t size,
		  unsigned n_blocks, size_t room, char why[OBJECT_CHECK_WHY_MAX])
{
	/*
	 * Without a buffer libbpf tries again and again, each time with a larger one.  Without a
	 * level it tries again with one at which the verifier writes down all that it sees: of a
	 * process that is stopped meanwhile ENOSPC would hide that the verifier gave up (EAGAIN).
	 */
	static char verifier_log[64 << 10];
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = name, .kernel_log_buf = verifier_log,
		    .kernel_log_size = sizeof(verifier_log), .kernel_log_level = LOG_STATS);
	struct bpf_object *obj = object_check_open(&ret->check, elf, size, &opts, why);
	int err;

	if (!obj)
		return -EINVAL;
	ret->n_blocks = n_blocks;
	err = object_load(obj, &ret->check, n_blocks, verifier_log, why);
	if (!err && (err = template_read(ret, obj, room)))
		snprintf(why, OBJECT_CHECK_WHY_MAX, "no sets can be made of it: %s",
			 err == -ENOTSUP ? "it has functions that are never called"
					 : strerrordesc_np(-err));
	bpf_object__close(obj);
	return err;
}

/*
 * The verifier gives up with EAGAIN when a signal is pending, as it is at each stop of the process,
 * by SIGSTOP or by a freezer.
 */
#define LOAD_ATTEMPTS 100

static int template_make_prog(const struct template *t, const int maps[])
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .attempts = LOAD_ATTEMPTS);
	int fd;

	if (t->n_funcs) {
		opts.prog_btf_fd = (__u32)t->btf_fd;
		opts.func_info = t->funcs;
		opts.func_info_cnt = (__u32)t->n_funcs;
		opts.func_info_rec_size = sizeof(t->funcs[0]);
	}

	memcpy(t->scratch, t->insns, t->n_insns * sizeof(*t->insns));
	for (size_t i = 0; i < t->n_insns; i += insn_is_wide(&t->insns[i]) ? 2 : 1) {
		if (insn_has_map(&t->insns[i]))
			t->scratch[i].imm = maps[t->insns[i].imm];
	}
	/* #syscalls:loader bpf */
	fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, RSS_PROG_NAME, t->check.license, t->scratch,
			   t->n_insns, &opts);
	return fd < 0 ? -errno : fd;
}

/* Its shape is the ABI's, whatever the trial may say. */
static int template_make_map(const struct template *t, size_t i)
{
	const struct object_check_map *map = &object_check_maps[i];
	const bool counts = i == OBJECT_CHECK_MAPS_MAX - 1;
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = map->flags,
		    .btf_fd = t->btf_fd < 0 ? 0 : (__u32)t->btf_fd,
		    .btf_key_type_id = t->types[i].key, .btf_value_type_id = t->types[i].value);
	int fd = bpf_map_create(map->type, map->name, map->key_size, map->value_size,
				counts ? t->n_blocks : map->max_entries, &opts);

	return fd < 0 ? -errno : fd;
}

int template_make(const struct template *t, struct set_fds *ret)
{
	struct set_fds made = SET_FDS_INIT;
	int *maps = made.list + 1, err = 0;

	for (size_t i = 0; i < t->check.n_maps && !err; i++) {
		maps[i] = template_make_map(t, i);
		err = maps[i] < 0 ? maps[i] : 0;
	}
	if (!err) {
		made.prog = template_make_prog(t, maps);
		err = made.prog < 0 ? made.prog : 0;
	}
	if (err)
		set_fds_done(&made);
	else
		*ret = made;
	return err;
}

void template_done(struct template *t)
{
	if (t->memory)
		munmap(t->memory, t->memory_size);
	fd_closep(&t->btf_fd);
	*t = TEMPLATE_INIT;
}
