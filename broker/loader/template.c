/* SPDX-License-Identifier: MIT */
/*
 * A loaded object as a template.  Runs in the loader only, on bytes that the
 * broker vouches for; nothing here may depend on a client.
 */
#include "broker/loader/template.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/rss_maps.h"
#include "broker/common/log.h"
#include "proto/fd.h"

/* libbpf explains a failure in several lines; they are worth a log line each. */
static int __attribute__((format(printf, 2, 0)))
libbpf_log(enum libbpf_print_level level, const char *format, va_list args)
{
	char text[512];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(text, sizeof(text), format, args);
	for (char *save, *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		log_info("%s", line);
	return 0;
}

/* Clients get the maps' fds by place, and a wrong place shows nowhere but in lost packets. */
static bool map_is_in_place(const struct bpf_map *map, size_t place)
{
	static const char *const names[TEMPLATE_MAPS_MAX] = { RSS_MAP_CONFIG_NAME, RSS_MAP_KEY_NAME,
							      RSS_MAP_TABLE_NAME,
							      RSS_MAP_STATS_NAME };

	if (place < TEMPLATE_MAPS_MAX && !strcmp(bpf_map__name(map), names[place]))
		return true;
	log_line(LOG_ERR, "map %zu is %s, expected %s", place, bpf_map__name(map),
		 place < TEMPLATE_MAPS_MAX ? names[place] : "none");
	return false;
}

static int template_read_map(struct template *t, const struct bpf_map *map)
{
	struct template_map *m = &t->maps[t->n_maps];

	if (!map_is_in_place(map, t->n_maps))
		return -EINVAL;
	*m = (struct template_map){
		.type = bpf_map__type(map),
		.key_size = bpf_map__key_size(map),
		.value_size = bpf_map__value_size(map),
		.max_entries = bpf_map__max_entries(map),
		.opts = {
			.sz = sizeof(m->opts),
			.map_flags = bpf_map__map_flags(map),
			.btf_fd = t->btf_fd < 0 ? 0 : t->btf_fd,
			.btf_key_type_id = bpf_map__btf_key_type_id(map),
			.btf_value_type_id = bpf_map__btf_value_type_id(map),
		},
	};
	strncpy(m->name, bpf_map__name(map), sizeof(m->name) - 1);
	t->n_maps++;
	return 0;
}

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

	bpf_object__for_each_map(map, obj)
	{
		if (bpf_map__fd(map) == fd)
			return i;
		i++;
	}
	return -EINVAL;
}

static int template_read_insns(struct template *t, const struct bpf_object *obj,
			       const struct bpf_program *prog)
{
	size_t n = bpf_program__insn_cnt(prog);

	t->insns = calloc(2 * n, sizeof(*t->insns));
	if (!t->insns)
		return -ENOMEM;
	t->scratch = t->insns + n;
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
	return 0;
}

static int template_read(struct template *t, const struct bpf_object *obj)
{
	const struct bpf_program *prog = bpf_object__next_program(obj, NULL);
	const struct bpf_map *map;
	int err;

	if (!prog)
		return -ENOENT;
	t->type = bpf_program__type(prog);
	strncpy(t->name, bpf_program__name(prog), sizeof(t->name) - 1);
	if (bpf_object__btf_fd(obj) >= 0) {
		t->btf_fd = fcntl(bpf_object__btf_fd(obj), F_DUPFD_CLOEXEC, 0);
		if (t->btf_fd < 0)
			return -errno;
	}
	bpf_object__for_each_map(map, obj)
	{
		err = template_read_map(t, map);
		if (err)
			return err;
	}
	err = template_read_insns(t, obj, prog);
	return err ? err : template_read_funcs(t, bpf_program__fd(prog));
}

/* The counters are the last map; their number is this machine's. */
static int stats_resize(const struct bpf_object *obj, const struct object *object,
			unsigned n_blocks)
{
	if (!object->counts)
		return 0;
	return bpf_map__set_max_entries(bpf_object__prev_map(obj, NULL), n_blocks);
}

/* The verifier says last why it refuses a program; behind that it counts. */
static void log_verifier(char *verifier_log)
{
	char *end = strstr(verifier_log, "\nprocessed "), *last;

	if (!end)
		return;
	*end = '\0';
	last = strrchr(verifier_log, '\n');
	log_info("the verifier: %s", last ? last + 1 : verifier_log);
}

int template_load(struct template *ret, const struct object *object, unsigned n_blocks)
{
	/* Without a buffer of ours libbpf tries again and again, each time with a larger one. */
	static char verifier_log[64 << 10];
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = object->name,
		    .kernel_log_buf = verifier_log, .kernel_log_size = sizeof(verifier_log));
	struct template t = TEMPLATE_INIT;
	struct bpf_object *obj;
	int err;

	verifier_log[0] = '\0';
	libbpf_set_print(libbpf_log);
	obj = bpf_object__open_mem(object->elf, object->size, &opts);
	if (!obj)
		return -errno;
	t.license = object->license;
	err = stats_resize(obj, object, n_blocks);
	if (!err)
		err = bpf_object__load(obj);
	if (err)
		log_verifier(verifier_log);
	if (err == -ENOSPC) /* of the buffer, for what it says while it refuses */
		err = -EACCES;
	if (!err)
		err = template_read(&t, obj);
	bpf_object__close(obj);
	if (err)
		template_done(&t);
	else
		*ret = t;
	return err;
}

static int template_make_prog(const struct template *t, const int maps[])
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts);
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
	fd = bpf_prog_load(t->type, t->name, t->license, t->scratch, t->n_insns, &opts);
	return fd < 0 ? -errno : fd;
}

int template_make(const struct template *t, struct set_fds *ret)
{
	int fds[1 + TEMPLATE_MAPS_MAX] = { -1, -1, -1, -1, -1 };
	int err = 0;

	for (size_t i = 0; i < t->n_maps && !err; i++) {
		const struct template_map *m = &t->maps[i];

		fds[1 + i] = bpf_map_create(m->type, m->name, m->key_size, m->value_size,
					    m->max_entries, &m->opts);
		err = fds[1 + i] < 0 ? -errno : 0;
	}
	if (!err) {
		fds[0] = template_make_prog(t, fds + 1);
		err = fds[0] < 0 ? fds[0] : 0;
	}
	if (!err)
		set_fds_from_array(ret, fds, 1 + t->n_maps);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		fd_closep(&fds[i]);
	return err;
}

void template_done(struct template *t)
{
	free(t->insns);
	fd_closep(&t->btf_fd);
	*t = (struct template)TEMPLATE_INIT;
}
