/* SPDX-License-Identifier: MIT */
/* The check as a whole, and the ELF header.  Nothing here loads or follows anything. */
#include "bpf/object_check/object_check.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "bpf/object_check/judge.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HOST_DATA ELFDATA2LSB
#else
#define HOST_DATA ELFDATA2MSB
#endif

static int judge_header(struct shape_judge *j, const void *elf, size_t size)
{
	Elf64_Ehdr h;

	if (size < sizeof(h) || memcmp(elf, ELFMAG, SELFMAG) != 0)
		return shape_refuse(j, "it is no ELF file");
	memcpy(&h, elf, sizeof(h));
	if (h.e_ident[EI_CLASS] != ELFCLASS64)
		return shape_refuse(j, "it is no 64-bit ELF file");
	if (h.e_ident[EI_DATA] != HOST_DATA)
		return shape_refuse(j, "its byte order is not this machine's");
	if (h.e_ident[EI_VERSION] != EV_CURRENT || h.e_version != EV_CURRENT)
		return shape_refuse(j, "its ELF version is not 1");
	if (h.e_machine != EM_BPF)
		return shape_refuse(j, "it is for machine %u, not for BPF", h.e_machine);
	if (h.e_type != ET_REL)
		return shape_refuse(j, "its ELF type is %u, not a relocatable object", h.e_type);
	if (h.e_shentsize != sizeof(Elf64_Shdr) || h.e_phnum)
		return shape_refuse(j, "its ELF header is damaged");
	return 0;
}

static int judge_license(struct shape_judge *j, struct object_check *ret)
{
	GElf_Shdr header;
	Elf_Data *data = shape_section(j, j->at.license, &header);
	const char *text = data ? data->d_buf : NULL;
	size_t n;

	if (!data)
		return -EINVAL;
	n = strnlen(text, data->d_size);
	if (n == 0 || n == data->d_size || n >= sizeof(ret->license))
		return shape_refuse(j, "its license is not a text of 1 to %zu characters",
				    sizeof(ret->license) - 1);
	for (size_t i = 0; i < n; i++)
		if (!isprint((unsigned char)text[i]))
			return shape_refuse(j, "its license is not printable");
	memcpy(ret->license, text, n + 1);
	return 0;
}

static int judge_all(struct shape_judge *j, struct object_check *ret)
{
	int err = shape_sections_judge(j);

	if (!err)
		err = shape_symbols_judge(j);
	if (!err)
		err = judge_license(j, ret);
	if (!err)
		err = shape_maps_judge(j, ret);
	return err;
}

int object_check(struct object_check *ret, const void *elf, size_t size,
		 char why[OBJECT_CHECK_WHY_MAX])
{
	struct shape_judge j = { .why = why };
	struct object_check shape = { 0 };
	int err = judge_header(&j, elf, size);

	if (err)
		return err;
	elf_version(EV_CURRENT);
	/* It reads only: the memory of an object of our own byte order is never written. */
	j.elf = elf_memory((char *)elf, size);
	if (!j.elf)
		return shape_refuse(&j, "its ELF header is damaged");
	err = judge_all(&j, &shape);
	elf_end(j.elf);
	if (!err)
		*ret = shape;
	return err;
}
