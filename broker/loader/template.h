/* SPDX-License-Identifier: MIT */
/*
 * A loaded object as a template: its verified instructions, from which fresh sets are
 * made without libbpf's ELF code.  Kept in the loader only.
 */
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/object_check.h"
#include "broker/common/set_fds.h"

#define TEMPLATE_FUNCS_MAX 16

struct template
{
	struct object_check check; /* how many of object_check_maps it has, and its license */
	unsigned n_blocks;	   /* entries of the fourth of these maps */
	int btf_fd; /* what the types of maps and functions refer to; -1: the object has none */
	struct template_types {
		__u32 key, value;
	} types[OBJECT_CHECK_MAPS_MAX]; /* of the maps */
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
int template_load(struct template *ret, const char *name, const void *elf, size_t size,
		  unsigned n_blocks, size_t room, char why[OBJECT_CHECK_WHY_MAX]);

/* Whether instructions name no map but the first n_maps, and nothing else of the kernel's. */
bool template_insns_are_sound(const struct bpf_insn *insns, size_t n, size_t n_maps);

/* Makes one fresh set: new maps, and the program loaded with them.  Allocates nothing. */
int template_make(const struct template *t, struct set_fds *ret);

void template_done(struct template *t);
