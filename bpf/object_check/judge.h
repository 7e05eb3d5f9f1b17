/* SPDX-License-Identifier: MIT */
/* What the parts of object_check() hand to one another.  For shape*.c alone. */
#pragma once

#include <gelf.h>
#include <stdint.h>

#include "bpf/object_check/object_check.h"

/* The sections that the rules speak of; 0: not there. */
struct shape_sections {
	size_t socket, text, maps, license, btf, btf_ext, symbols;
};

struct shape_judge {
	char *why;
	Elf *elf;
	size_t n_sections, names; /* names: the section that holds theirs */
	struct shape_sections at;
	size_t n_symbols, symbol_names;
};

/* A name from the object, as it may stand in a log: short, printable. */
#define SHAPE_WORD_MAX 41
struct shape_word {
	char text[SHAPE_WORD_MAX];
};
struct shape_word shape_word(const char *name);

/* Says which rule is broken.  Returns -EINVAL. */
int shape_refuse(struct shape_judge *j, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The bytes of a section, all of which are there; NULL: refused. */
Elf_Data *shape_section(struct shape_judge *j, size_t index, GElf_Shdr *ret);

/* The parts of the check, in this order. */
int shape_sections_judge(struct shape_judge *j);
int shape_symbols_judge(struct shape_judge *j);
int shape_maps_judge(struct shape_judge *j, struct object_check *ret);

/* The symbol of this name in a section, or -EINVAL. */
int shape_symbol_find(struct shape_judge *j, const char *name, size_t section, GElf_Sym *ret);
