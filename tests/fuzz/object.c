/* SPDX-License-Identifier: MIT */
/*
 * The object check, whose libbpf may crash in its child, and the judgement of what the
 * trial of an object left.  An input is bytes as they are, or changes of one of the broker's
 * own objects; so the corpus is small, and good for whatever clang made those.
 */
#include <elf.h>

#include "bpf/object_check.h"
#include "broker/common/log.h"
#include "broker/loader/trial.h"
#include "tests/fuzz/lib/fuzz.h"

#define CHANGES_MAX 32
#define GROWTH_MAX  4096

extern const uint8_t builtin_rss[], builtin_rss_end[];
extern const uint8_t builtin_rss_stats[], builtin_rss_stats_end[];

enum base { BASE_NONE, BASE_RSS, BASE_STATS, BASE_TRIAL, BASES };

enum change {
	CHANGE_BYTES,	/* anywhere */
	CHANGE_HEADER,	/* a byte of the ELF header */
	CHANGE_SECTION, /* a field of a section header */
	CHANGE_SYMBOL,	/* a field of a symbol */
	CHANGE_INSIDE,	/* a word inside a section, by the section's number */
	CHANGE_COPY,	/* one place of a section to another */
	CHANGE_CUT,
	CHANGE_GROW,
	CHANGES,
};

/* An object in the making. */
struct making {
	uint8_t *bytes;
	size_t size, room;
	const Elf64_Ehdr *header; /* of the base: the changes go by what it says */
	const Elf64_Shdr *sections;
};

static void put(struct making *m, uint64_t at, const void *data, size_t len)
{
	if (at < m->size && len <= m->size - at)
		memcpy(m->bytes + at, data, len);
}

/* --- the kinds of changes ------------------------------------------------------------ */

static const Elf64_Shdr *section_choose(const struct making *m, struct fuzz_input *in)
{
	return &m->sections[fuzz_u8(in) % m->header->e_shnum];
}

/* Mostly a small number, or one by its offset from the right one. */
static uint64_t value_choose(struct fuzz_input *in, uint64_t right)
{
	uint8_t how = fuzz_u8(in);

	switch (how % 4) {
	case 0:
		return how / 4;
	case 1:
		return right + (uint64_t)(int64_t)(int8_t)fuzz_u8(in);
	case 2:
		return fuzz_u32(in);
	default:
		return (uint64_t)fuzz_u32(in) << 32 | fuzz_u32(in);
	}
}

/* size bytes of a field of whatever width, little end first as in the base. */
static void field_change(struct making *m, struct fuzz_input *in, uint64_t at, size_t width)
{
	uint64_t value = 0;

	if (at >= m->size || width > m->size - at)
		return;
	memcpy(&value, m->bytes + at, width);
	value = value_choose(in, value);
	put(m, at, &value, width);
}

static void section_change(struct making *m, struct fuzz_input *in)
{
	static const struct {
		size_t at, width;
	} fields[] = {
		{ offsetof(Elf64_Shdr, sh_name), 4 },	   { offsetof(Elf64_Shdr, sh_type), 4 },
		{ offsetof(Elf64_Shdr, sh_flags), 8 },	   { offsetof(Elf64_Shdr, sh_addr), 8 },
		{ offsetof(Elf64_Shdr, sh_offset), 8 },	   { offsetof(Elf64_Shdr, sh_size), 8 },
		{ offsetof(Elf64_Shdr, sh_link), 4 },	   { offsetof(Elf64_Shdr, sh_info), 4 },
		{ offsetof(Elf64_Shdr, sh_addralign), 8 }, { offsetof(Elf64_Shdr, sh_entsize), 8 },
	};
	size_t section = fuzz_u8(in) % m->header->e_shnum;
	size_t field = fuzz_u8(in) % (sizeof(fields) / sizeof(fields[0]));

	field_change(m, in, m->header->e_shoff + section * sizeof(Elf64_Shdr) + fields[field].at,
		     fields[field].width);
}

static void symbol_change(struct making *m, struct fuzz_input *in)
{
	static const struct {
		size_t at, width;
	} fields[] = {
		{ offsetof(Elf64_Sym, st_name), 4 },  { offsetof(Elf64_Sym, st_info), 1 },
		{ offsetof(Elf64_Sym, st_other), 1 }, { offsetof(Elf64_Sym, st_shndx), 2 },
		{ offsetof(Elf64_Sym, st_value), 8 }, { offsetof(Elf64_Sym, st_size), 8 },
	};
	size_t symbol = fuzz_u8(in), field = fuzz_u8(in) % (sizeof(fields) / sizeof(fields[0]));

	for (size_t i = 0; i < m->header->e_shnum; i++) {
		const Elf64_Shdr *s = &m->sections[i];

		if (s->sh_type == SHT_SYMTAB)
			field_change(m, in,
				     s->sh_offset +
					     symbol % (s->sh_size / sizeof(Elf64_Sym)) *
						     sizeof(Elf64_Sym) +
					     fields[field].at,
				     fields[field].width);
	}
}

/* In BTF nearly everything is a word; in code every half of an instruction is. */
static void inside_change(struct making *m, struct fuzz_input *in)
{
	const Elf64_Shdr *s = section_choose(m, in);
	uint8_t width = fuzz_u8(in);
	uint64_t at = fuzz_u16(in);

	if (!s->sh_size)
		return;
	if (width & 1)
		field_change(m, in, s->sh_offset + at % s->sh_size, 1);
	else
		field_change(m, in, s->sh_offset + at * 4 % s->sh_size, width & 2 ? 2 : 4);
}

static void copy_change(struct making *m, struct fuzz_input *in)
{
	const Elf64_Shdr *s = section_choose(m, in);
	uint8_t scratch[256], len = fuzz_u8(in);
	uint64_t from = fuzz_u16(in), to = fuzz_u16(in);

	if (!s->sh_size)
		return;
	from = s->sh_offset + from * 4 % s->sh_size;
	to = s->sh_offset + to * 4 % s->sh_size;
	if (from >= m->size || len > m->size - from)
		return;
	memcpy(scratch, m->bytes + from, len);
	put(m, to, scratch, len);
}

static void bytes_change(struct making *m, struct fuzz_input *in)
{
	uint32_t at = fuzz_u32(in);
	const uint8_t *data;
	size_t n = fuzz_take(in, &data, fuzz_u8(in));

	put(m, at % (m->size + 1), data, n);
}

static void grow(struct making *m, struct fuzz_input *in)
{
	size_t more = fuzz_u16(in) % (GROWTH_MAX + 1);
	uint8_t byte = fuzz_u8(in);

	if (more > m->room - m->size)
		more = m->room - m->size;
	memset(m->bytes + m->size, byte, more);
	m->size += more;
}

static void change(struct making *m, struct fuzz_input *in)
{
	switch (fuzz_u8(in) % CHANGES) {
	case CHANGE_BYTES:
		bytes_change(m, in);
		break;
	case CHANGE_HEADER:
		field_change(m, in, fuzz_u8(in) % sizeof(Elf64_Ehdr), 1);
		break;
	case CHANGE_SECTION:
		section_change(m, in);
		break;
	case CHANGE_SYMBOL:
		symbol_change(m, in);
		break;
	case CHANGE_INSIDE:
		inside_change(m, in);
		break;
	case CHANGE_COPY:
		copy_change(m, in);
		break;
	case CHANGE_CUT:
		m->size -= fuzz_u32(in) % (m->size + 1);
		break;
	case CHANGE_GROW:
		grow(m, in);
		break;
	}
}

/* --- the judgement --------------------------------------------------------------------- */

/* What it answers is whole, or there is a reason in one line of ASCII. */
static void judge(const uint8_t *bytes, size_t size)
{
	uint8_t *elf = fuzz_copy(bytes, size);
	char why[OBJECT_CHECK_WHY_MAX] = "";
	struct object_check shape = { .n_maps = 99 };

	if (object_check(&shape, elf, size, why)) {
		FUZZ_CHECK(shape.n_maps == 99 && why[0] && memchr(why, 0, sizeof(why)));
		for (const char *at = why; *at; at++)
			FUZZ_CHECK(*at >= ' ' && *at <= '~');
	} else {
		FUZZ_CHECK(shape.n_maps == 3 || shape.n_maps == 4);
		FUZZ_CHECK(shape.counts == (shape.n_maps == 4));
	}
	FUZZ_CHECK(memcmp(elf, bytes, size) == 0); /* judged, and never written */
	free(elf);
}

/* A template as a trial that was taken over could leave it: judged without a read out of bounds. */
static void judge_trial(struct fuzz_input *in)
{
	static struct trial trial;
	struct template *t = &trial.template;
	const uint8_t *data;
	size_t n;

	memset(&trial, 0, sizeof(trial));
	t->check.n_maps = 3 + fuzz_u8(in) % 2;
	t->check.counts = t->check.n_maps == 4;
	n = fuzz_take(in, &data, fuzz_u8(in) % (sizeof(*t) + 1));
	memcpy((uint8_t *)t + fuzz_u16(in) % (sizeof(*t) - n + 1), data, n);
	n = fuzz_take(in, &data, in->left < sizeof(trial.insns) ? in->left : sizeof(trial.insns));
	memcpy(trial.insns, data, n);
	if (!t->n_insns || fuzz_u8(in) % 2)
		t->n_insns = n / sizeof(trial.insns[0]);
	if (!trial_is_sound(&trial))
		return;
	FUZZ_CHECK(t->n_insns && t->n_insns <= TRIAL_INSNS_MAX &&
		   t->check.n_maps <= OBJECT_CHECK_MAPS_MAX);
	FUZZ_CHECK(template_insns_are_sound(trial.insns, t->n_insns, t->check.n_maps));
}

static void judge_changed(const uint8_t *base, size_t size, struct fuzz_input *in)
{
	struct making m = { .size = size, .room = size + GROWTH_MAX };

	m.bytes = malloc(m.room);
	FUZZ_CHECK(m.bytes);
	m.header = (const Elf64_Ehdr *)base;
	m.sections = (const Elf64_Shdr *)(base + m.header->e_shoff);
	memcpy(m.bytes, base, size);
	for (unsigned n = 0; in->left && n < CHANGES_MAX; n++)
		change(&m, in);
	judge(m.bytes, m.size);
	free(m.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };

	log_set_level(LOG_ERR);
	switch (fuzz_u8(&in) % BASES) {
	case BASE_RSS:
		judge_changed(builtin_rss, (size_t)(builtin_rss_end - builtin_rss), &in);
		break;
	case BASE_STATS:
		judge_changed(builtin_rss_stats,
			      (size_t)(builtin_rss_stats_end - builtin_rss_stats), &in);
		break;
	case BASE_TRIAL:
		judge_trial(&in);
		break;
	default:
		judge(in.at, in.left);
	}
	return 0;
}
