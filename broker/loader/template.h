/* SPDX-License-Identifier: MIT */
/*
 * A loaded object as a template: its verified instructions and map shapes, from
 * which fresh sets are made without libbpf's ELF code.  Kept in the loader only.
 */
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/object_check.h"
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
	char license[OBJECT_CHECK_LICENSE_MAX];
	int btf_fd; /* what the types of maps and functions refer to; -1: the object has none */
	size_t n_maps;
	struct template_map maps[TEMPLATE_MAPS_MAX];
	size_t n_insns;
	struct bpf_insn *insns;	  /* where a map's fd goes stands the map's index */
	struct bpf_insn *scratch; /* room for a relocated copy */
	size_t n_funcs;		  /* 0: the kernel keeps no types of them */
	struct bpf_func_info funcs[TEMPLATE_FUNCS_MAX];
	void *memory; /* of the instructions; NULL: somebody else's */
	size_t memory_size;
};
#define TEMPLATE_INIT ((struct template){ .btf_fd = -1 })

/*
 * Opens, checks and loads the object once with libbpf: the self-test, and the source of
 * all later sets.  ret->insns and ret->scratch are the caller's, with room for so many
 * instructions.  Leaves nothing loaded but the BTF.  A counting object gets n_blocks blocks of
 * counters.  0, or -errno, with why.
 */
int template_load(struct template *ret, struct object_check *ret_check, const char *name,
		  const void *elf, size_t size, unsigned n_blocks, size_t room,
		  char why[OBJECT_CHECK_WHY_MAX]);

/* Whether instructions name no map but the first n_maps, and nothing else of the kernel's. */
bool template_insns_are_sound(const struct bpf_insn *insns, size_t n, size_t n_maps);

/* Makes one fresh set: new maps, and the program loaded with them.  Allocates nothing. */
int template_make(const struct template *t, struct set_fds *ret);

void template_done(struct template *t);
