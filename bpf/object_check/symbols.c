/* SPDX-License-Identifier: MIT */
/* Symbols: one program, nothing from outside, each within its section. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "bpf/object_check/judge.h"
#include "bpf/rss_maps.h"

/* Symbol i and its name. */
static int symbol_read(struct shape_judge *j, size_t i, GElf_Sym *ret, const char **ret_name)
{
	GElf_Shdr header;
	Elf_Data *data = shape_section(j, j->at.symbols, &header);
	Elf64_Sym raw;

	if (!data)
		return -EINVAL;
	memcpy(&raw, (const char *)data->d_buf + i * sizeof(raw), sizeof(raw));
	*ret = raw;
	*ret_name = elf_strptr(j->elf, j->symbol_names, raw.st_name);
	if (!*ret_name)
		return shape_refuse(j, "symbol %zu has no name", i);
	return 0;
}

/* That it lies in a section that is there. */
static int judge_place(struct shape_judge *j, const GElf_Sym *symbol, const char *name)
{
	const struct shape_word word = shape_word(name);
	GElf_Shdr section;

	if (symbol->st_shndx == SHN_UNDEF)
		return shape_refuse(j, "it needs %s from outside", word.text);
	if (symbol->st_shndx == SHN_ABS && GELF_ST_TYPE(symbol->st_info) == STT_FILE)
		return 0;
	if (symbol->st_shndx >= j->n_sections)
		return shape_refuse(j, "symbol %s is in no section", word.text);
	if (!shape_section(j, symbol->st_shndx, &section))
		return -EINVAL;
	if (symbol->st_value > section.sh_size ||
	    symbol->st_size > section.sh_size - symbol->st_value)
		return shape_refuse(j, "symbol %s reaches out of its section", word.text);
	return 0;
}

/* libbpf makes a program of each function in the section. */
static bool is_program(const struct shape_judge *j, const GElf_Sym *symbol)
{
	return GELF_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_shndx == j->at.socket;
}

static int judge_program(struct shape_judge *j, const GElf_Sym *symbol, const char *name)
{
	GElf_Shdr section;

	if (strcmp(name, RSS_PROG_NAME) != 0)
		return shape_refuse(j, "the program is %s, not " RSS_PROG_NAME,
				    shape_word(name).text);
	if (!shape_section(j, j->at.socket, &section))
		return -EINVAL;
	if (symbol->st_value || symbol->st_size != section.sh_size)
		return shape_refuse(j, "the program is not all of section socket");
	return 0;
}

int shape_symbols_judge(struct shape_judge *j)
{
	const char *name, *program_name = NULL;
	GElf_Sym symbol, program;
	unsigned n_programs = 0;
	int err = 0;

	for (size_t i = 1; !err && i < j->n_symbols; i++) {
		err = symbol_read(j, i, &symbol, &name);
		if (!err)
			err = judge_place(j, &symbol, name);
		if (err || !is_program(j, &symbol))
			continue;
		n_programs++;
		program = symbol;
		program_name = name;
	}
	if (err)
		return err;
	if (n_programs != 1)
		return shape_refuse(j, "there are %u programs in section socket, not 1",
				    n_programs);
	return judge_program(j, &program, program_name);
}

int shape_symbol_find(struct shape_judge *j, const char *name, size_t section, GElf_Sym *ret)
{
	for (size_t i = 1; i < j->n_symbols; i++) {
		const char *its_name;
		GElf_Sym symbol;
		int err = symbol_read(j, i, &symbol, &its_name);

		if (err)
			return err;
		if (symbol.st_shndx != section || strcmp(its_name, name) != 0)
			continue;
		*ret = symbol;
		return 0;
	}
	return shape_refuse(j, "there is no symbol %s", shape_word(name).text);
}
