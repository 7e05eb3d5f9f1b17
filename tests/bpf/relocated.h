/* SPDX-License-Identifier: MIT */
/* A steering object as tests/guest/verify.c loads it: no ELF, no libbpf. */
#pragma once

#include <linux/bpf.h>
#include <stdint.h>

#define RELOCATED_MAPS_MAX  8
#define RELOCATED_INSNS_MAX 16384
#define RELOCATED_FUNCS_MAX 16
#define RELOCATED_BTF_MAX   65536

struct relocated {
	uint32_t n_maps, n_insns;
	struct {
		uint32_t value_size, max_entries;
	} maps[RELOCATED_MAPS_MAX];		    /* arrays, mmapable */
	struct bpf_insn insns[RELOCATED_INSNS_MAX]; /* a map is its number, not its fd */
	uint32_t n_funcs, btf_size;
	struct bpf_func_info funcs[RELOCATED_FUNCS_MAX]; /* their types are in the BTF */
	uint8_t btf[RELOCATED_BTF_MAX];
};
