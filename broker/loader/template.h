/* SPDX-License-Identifier: MIT */
/*
 * A loaded object as a template: its verified instructions and map shapes, from
 * which fresh sets are made without libbpf's ELF code.  Lives in the loader only.
 */
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "broker/common/object.h"
#include "broker/common/set_fds.h"

#define TEMPLATE_MAPS_MAX  4
#define TEMPLATE_FUNCS_MAX 16

struct template_map {
	char name[BPF_OBJ_NAME_LEN];
	enum bpf_map_type type;
	__u32 key_size, value_size, max_entries;
	struct bpf_map_create_opts opts;
};

struct template
{
	char name[BPF_OBJ_NAME_LEN];
	enum bpf_prog_type type;
	const char *license;
	int btf_fd; /* what the types of maps and functions refer to; -1: the object has none */
	size_t n_maps;
	struct template_map maps[TEMPLATE_MAPS_MAX];
	size_t n_insns;
	struct bpf_insn *insns;	  /* where a map's fd goes stands the map's index */
	struct bpf_insn *scratch; /* room for a relocated copy */
	size_t n_funcs;		  /* 0: the kernel keeps no types of them */
	struct bpf_func_info funcs[TEMPLATE_FUNCS_MAX];
};
#define TEMPLATE_INIT                                                                              \
	{                                                                                          \
		.btf_fd = -1                                                                       \
	}

/*
 * Loads the object once with libbpf: the self-test, and the source of all later
 * sets.  Leaves nothing loaded but the BTF.  A counting object gets
 * n_blocks blocks of counters.  0, or -errno of the kernel or of
 * libbpf, whose last words are logged.
 */
int template_load(struct template *ret, const struct object *object, unsigned n_blocks);

/* Makes one fresh set: new maps, and the program loaded with them.  Allocates nothing. */
int template_make(const struct template *t, struct set_fds *ret);

void template_done(struct template *t);
