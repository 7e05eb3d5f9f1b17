/* SPDX-License-Identifier: MIT */
/* Sections: those that an object of the ABI has, each whole, and no other. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "bpf/object_check/judge.h"

#define SECTIONS_MAX 64

/* What may be there. */
static const struct rule {
	const char *name; /* ends in '*': what begins so */
	unsigned type;	  /* SHT_*; 0: any that has bytes */
	size_t at;	  /* 1 + its place in struct shape_sections, 0: it has none */
} rules[] = {
#define AT(member) (1 + offsetof(struct shape_sections, member))
	{ "socket", SHT_PROGBITS, AT(socket) },
	{ ".maps", SHT_PROGBITS, AT(maps) },
	{ "license", SHT_PROGBITS, AT(license) },
	{ ".BTF", SHT_PROGBITS, AT(btf) },
	{ ".BTF.ext", SHT_PROGBITS, AT(btf_ext) },
	{ ".symtab", SHT_SYMTAB, AT(symbols) },
	{ ".text", SHT_PROGBITS, AT(text) }, /* functions that the program calls */
	{ ".strtab", SHT_STRTAB, 0 },
	{ ".shstrtab", SHT_STRTAB, 0 },
	{ ".rel*", SHT_REL, 0 },
	{ ".llvm_addrsig", 0, 0 },
	{ ".comment", SHT_PROGBITS, 0 },
	{ ".note.GNU-stack", SHT_PROGBITS, 0 },
	{ ".debug_*", SHT_PROGBITS, 0 },
#undef AT
};

#define N_RULES (sizeof(rules) / sizeof(rules[0]))

static const struct rule *rule_find(const char *name)
{
	for (size_t i = 0; i < N_RULES; i++) {
		const size_t n = strcspn(rules[i].name, "*");

		if (!strncmp(name, rules[i].name, n) && (rules[i].name[n] || !name[n]))
			return &rules[i];
	}
	return NULL;
}

Elf_Data *shape_section(struct shape_judge *j, size_t index, GElf_Shdr *ret)
{
	Elf_Scn *section = elf_getscn(j->elf, index);
	Elf_Data *data = section && gelf_getshdr(section, ret) ? elf_rawdata(section, NULL) : NULL;

	if (!data || data->d_size != ret->sh_size || (ret->sh_size && !data->d_buf)) {
		shape_refuse(j, "section %zu is cut off", index);
		return NULL;
	}
	return data;
}

static int unknown_section(struct shape_judge *j, const char *name, const GElf_Shdr *header)
{
	const struct shape_word word = shape_word(name);

	if (header->sh_flags & SHF_EXECINSTR)
		return shape_refuse(j, "program section %s: the one program is in section socket",
				    word.text);
	return shape_refuse(j, "section %s: no object of the ABI has it", word.text);
}

/* Relocations lie in bounds, and between sections and symbols that are there. */
static int judge_relocations(struct shape_judge *j, Elf_Data *data, const GElf_Shdr *header)
{
	const size_t n = data->d_size / sizeof(Elf64_Rel);
	GElf_Shdr target;

	if (header->sh_link != j->at.symbols || header->sh_entsize != sizeof(Elf64_Rel) ||
	    data->d_size % sizeof(Elf64_Rel) || header->sh_info == 0 ||
	    header->sh_info >= j->n_sections || !shape_section(j, header->sh_info, &target))
		return shape_refuse(j, "its relocations are damaged");
	if (header->sh_info == j->at.maps || header->sh_info == j->at.license)
		return shape_refuse(j, "its maps have initial values");
	for (size_t i = 0; i < n; i++) {
		Elf64_Rel rel;

		memcpy(&rel, (const char *)data->d_buf + i * sizeof(rel), sizeof(rel));
		if (rel.r_offset >= target.sh_size || ELF64_R_SYM(rel.r_info) >= j->n_symbols)
			return shape_refuse(j, "relocation %zu leads nowhere", i);
		if (target.sh_flags & SHF_EXECINSTR &&
		    (rel.r_offset % 8 || rel.r_offset + 8 > target.sh_size))
			return shape_refuse(j, "relocation %zu is of no instruction", i);
	}
	return 0;
}

/* Remembers where a section is that the rules speak of. */
static int place_section(struct shape_judge *j, const struct rule *rule, size_t index)
{
	size_t *at = (size_t *)((char *)&j->at + rule->at - 1);

	if (*at)
		return shape_refuse(j, "there are two sections %s", rule->name);
	*at = index;
	return 0;
}

static int judge_section(struct shape_judge *j, size_t index)
{
	Elf_Scn *section = elf_getscn(j->elf, index);
	GElf_Shdr header;
	const struct rule *rule;
	const char *name;

	if (!section || !gelf_getshdr(section, &header))
		return shape_refuse(j, "section %zu is not there", index);
	name = elf_strptr(j->elf, j->names, header.sh_name);
	if (!name)
		return shape_refuse(j, "section %zu has no name", index);
	rule = rule_find(name);
	if (!rule)
		return unknown_section(j, name, &header);
	if ((rule->type && rule->type != header.sh_type) || header.sh_type == SHT_NOBITS ||
	    header.sh_flags & SHF_COMPRESSED)
		return shape_refuse(j, "section %s is not of its usual type", rule->name);
	if (!shape_section(j, index, &header))
		return -EINVAL;
	return rule->at ? place_section(j, rule, index) : 0;
}

static int judge_presence(struct shape_judge *j)
{
	const struct shape_sections *at = &j->at;
	GElf_Shdr header;

	if (!at->symbols || !at->socket)
		return shape_refuse(j, "it has no program section socket");
	if (!at->maps)
		return shape_refuse(j, "it has no maps");
	if (!at->license)
		return shape_refuse(j, "it has no license");
	if (!at->btf)
		return shape_refuse(j, "it has no BTF");
	if (!shape_section(j, at->socket, &header))
		return -EINVAL;
	if (!(header.sh_flags & SHF_EXECINSTR) || !header.sh_size || header.sh_size % 8)
		return shape_refuse(j, "section socket holds no instructions");
	if (!shape_section(j, at->symbols, &header))
		return -EINVAL;
	if (header.sh_entsize != sizeof(Elf64_Sym) || header.sh_size % sizeof(Elf64_Sym))
		return shape_refuse(j, "its symbols are damaged");
	j->n_symbols = header.sh_size / sizeof(Elf64_Sym);
	j->symbol_names = header.sh_link;
	return 0;
}

int shape_sections_judge(struct shape_judge *j)
{
	int err = 0;

	if (elf_getshdrnum(j->elf, &j->n_sections) || elf_getshdrstrndx(j->elf, &j->names) ||
	    j->n_sections == 0 || j->n_sections > SECTIONS_MAX)
		return shape_refuse(j, "its table of sections is damaged");
	for (size_t i = 1; !err && i < j->n_sections; i++)
		err = judge_section(j, i);
	if (!err)
		err = judge_presence(j);
	for (size_t i = 1; !err && i < j->n_sections; i++) {
		GElf_Shdr header;
		Elf_Data *data = shape_section(j, i, &header);

		if (!data)
			return -EINVAL;
		if (header.sh_type == SHT_REL)
			err = judge_relocations(j, data, &header);
	}
	return err;
}
