/* SPDX-License-Identifier: MIT */
/*
 * The trial of an object: libbpf opens and loads it in a child that ends afterwards and
 * leaves a template.  A damaged object costs that child and nothing else.
 */
#pragma once

#include "broker/common/privileges.h"
#include "broker/loader/template.h"

/* The instructions of the largest object file. */
#define TRIAL_INSNS_MAX ((1u << 20) / sizeof(struct bpf_insn))

/* What the child writes and, once it is dead, the parent judges: shared memory. */
struct trial {
	int32_t err; /* the child's, once it answered */
	char why[OBJECT_CHECK_WHY_MAX];
	struct template template;
	struct bpf_insn insns[TRIAL_INSNS_MAX], scratch[TRIAL_INSNS_MAX];
};

/* Who tries, for which machine. */
struct trial_options {
	const struct identity *id;
	enum privileges_caps caps;
	unsigned n_blocks; /* blocks of counters of an object that counts */
};

/*
 * Tries the object of those bytes; name is what the kernel and libbpf call it.
 * *ret is the caller's and lies in memory that children share.  0; or
 * -errno, with why in one line of ASCII: -EINVAL is a rule of object_check.h or a
 * crash, another one is the kernel's.
 */
int trial_run(struct template *ret, const char *name, const void *elf, size_t size,
	      const struct trial_options *o, char why[OBJECT_CHECK_WHY_MAX]);

/* Whether the child's template is one that the loader can use, whatever wrote it; for tests, too.
 */
bool trial_is_sound(const struct trial *t);
