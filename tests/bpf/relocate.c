// SPDX-License-Identifier: MIT
/*
 * Writes a steering object's instructions for a kernel that is not this one; see
 * relocated.h.  They are libbpf's after a load, so it takes privilege.
 *
 * usage: relocate OBJECT FILE
 */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>

#include "bpf/rss_maps.h"
#include "tests/bpf/lib/object.h"
#include "tests/bpf/relocated.h"

_Static_assert(RELOCATED_FUNCS_MAX == OBJECT_FUNCTIONS_MAX, "room for all");

static struct relocated relocated;

/* The number of each map instead of its fd. */
static void insns_take(const struct bpf_program *prog, const int *fds)
{
	relocated.n_insns = (uint32_t)bpf_program__insn_cnt(prog);
	memcpy(relocated.insns, bpf_program__insns(prog),
	       relocated.n_insns * sizeof(struct bpf_insn));
	for (uint32_t i = 0; i < relocated.n_insns; i++) {
		struct bpf_insn *insn = &relocated.insns[i];
		int map = 0;

		if (insn->code != (BPF_LD | BPF_IMM | BPF_DW) || insn->src_reg != BPF_PSEUDO_MAP_FD)
			continue;
		while (fds[map] != insn->imm)
			map++;
		insn->imm = map;
	}
}

/* The types of the program's functions, and the BTF that has them. */
static int types_take(const struct bpf_object *object, const struct bpf_program *prog)
{
	const void *btf = btf__raw_data(bpf_object__btf(object), &relocated.btf_size);

	if (!btf || relocated.btf_size > RELOCATED_BTF_MAX)
		return -1;
	memcpy(relocated.btf, btf, relocated.btf_size);
	relocated.n_funcs = object_functions(prog, relocated.funcs);
	return 0;
}

static int object_take(struct bpf_object *object)
{
	const struct bpf_program *prog = bpf_object__find_program_by_name(object, RSS_PROG_NAME);
	int fds[RELOCATED_MAPS_MAX];
	struct bpf_map *map;

	if (!prog || bpf_program__insn_cnt(prog) > RELOCATED_INSNS_MAX)
		return -1;
	bpf_object__for_each_map (map, object) {
		uint32_t i = relocated.n_maps++;

		if (i == RELOCATED_MAPS_MAX)
			return -1;
		fds[i] = bpf_map__fd(map);
		relocated.maps[i].value_size = bpf_map__value_size(map);
		relocated.maps[i].max_entries = bpf_map__max_entries(map);
	}
	insns_take(prog, fds);
	return types_take(object, prog);
}

static int relocated_write(const char *path)
{
	FILE *f = fopen(path, "we");
	size_t n = f ? fwrite(&relocated, sizeof(relocated), 1, f) : 0;

	return f && !fclose(f) && n == 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct bpf_object *object = argc == 3 ? bpf_object__open_file(argv[1], NULL) : NULL;
	int r = -1;

	if (object && !bpf_object__load(object))
		r = object_take(object);
	bpf_object__close(object);
	if (!r)
		r = relocated_write(argv[2]);
	if (r)
		fprintf(stderr, "relocate: cannot\n");
	return r ? 1 : 0;
}
