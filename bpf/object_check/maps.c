/* SPDX-License-Identifier: MIT */
/* Maps: as BTF defines them, compared with QEMU's one by one. */
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/object_check/btf.h"
#include "bpf/object_check/judge.h"
#include "bpf/rss_maps.h"

#define MAPS_MAX 4

/* A map's definition; the order is that of its fields below. */
enum field { TYPE, KEY_SIZE, VALUE_SIZE, MAX_ENTRIES, FLAGS, N_FIELDS };

static const char *const field_names[] = {
	[TYPE] = "type",
	[KEY_SIZE] = "key size",
	[VALUE_SIZE] = "value size",
	[MAX_ENTRIES] = "number of entries",
	[FLAGS] = "flags",
};

struct map {
	const char *name;
	uint64_t offset; /* in .maps: libbpf's order, whatever BTF's is */
	uint32_t fields[N_FIELDS];
};

#define MAP(map_name, value_size, entries)                                                         \
	{                                                                                          \
		.name = (map_name),                                                                \
		.fields = { BPF_MAP_TYPE_ARRAY, 4, (value_size), (entries), BPF_F_MMAPABLE },      \
	}

/* The ABI; the loader gives the last one its number of entries. */
static const struct map wanted[MAPS_MAX] = {
	MAP(RSS_MAP_CONFIG_NAME, sizeof(struct rss_config), 1),
	MAP(RSS_MAP_KEY_NAME, RSS_KEY_LEN, 1),
	MAP(RSS_MAP_TABLE_NAME, sizeof(rss_u16), RSS_TABLE_MAX),
	MAP(RSS_MAP_STATS_NAME, sizeof(struct rss_stats), 1),
};

/* --- reading definitions ---------------------------------------------------- */

/* __uint(name, n): a pointer to an array of n. */
static int read_number(const struct shape_btf *b, uint32_t id, uint32_t *ret)
{
	struct shape_type t = shape_btf_type(b, shape_btf_plain(b, id));
	struct btf_array array;

	if (t.kind != BTF_KIND_PTR)
		return -EINVAL;
	t = shape_btf_type(b, shape_btf_plain(b, t.type));
	if (t.kind != BTF_KIND_ARRAY)
		return -EINVAL;
	memcpy(&array, t.more, sizeof(array));
	*ret = array.nelems;
	return 0;
}

/* __type(name, type): a pointer to the type. */
static int read_size_of_type(const struct shape_btf *b, uint32_t id, uint32_t *ret)
{
	struct shape_type t = shape_btf_type(b, shape_btf_plain(b, id));
	int64_t size = t.kind == BTF_KIND_PTR ? shape_btf_size(b, t.type) : -EINVAL;

	if (size < 0 || size > UINT32_MAX)
		return -EINVAL;
	*ret = (uint32_t)size;
	return 0;
}

static const struct {
	const char *name;
	enum field field;
	int (*read)(const struct shape_btf *b, uint32_t id, uint32_t *ret);
} members[] = {
	{ "type", TYPE, read_number },
	{ "key_size", KEY_SIZE, read_number },
	{ "value_size", VALUE_SIZE, read_number },
	{ "max_entries", MAX_ENTRIES, read_number },
	{ "map_flags", FLAGS, read_number },
	{ "key", KEY_SIZE, read_size_of_type },
	{ "value", VALUE_SIZE, read_size_of_type },
};

#define N_MEMBERS (sizeof(members) / sizeof(members[0]))

static int read_member(struct shape_judge *j, const struct shape_btf *b, struct map *map,
		       const struct btf_member *member)
{
	const char *name = shape_btf_name(b, member->name_off);

	for (size_t i = 0; i < N_MEMBERS; i++) {
		if (strcmp(members[i].name, name) != 0)
			continue;
		if (members[i].read(b, member->type, &map->fields[members[i].field]))
			return shape_refuse(j, "map %s: its %s cannot be read",
					    shape_word(map->name).text, name);
		return 0;
	}
	return shape_refuse(j, "map %s: it asks for %s", shape_word(map->name).text,
			    shape_word(name).text);
}

static int read_map(struct shape_judge *j, const struct shape_btf *b,
		    const struct btf_var_secinfo *place, struct map *ret)
{
	struct shape_type variable = shape_btf_type(b, place->type);
	struct shape_type t = shape_btf_type(b, shape_btf_plain(b, variable.type));
	GElf_Sym symbol;
	int err;

	*ret = (struct map){ .name = variable.name };
	err = shape_symbol_find(j, ret->name, j->at.maps, &symbol);
	if (err)
		return err;
	ret->offset = symbol.st_value;
	if (t.kind != BTF_KIND_STRUCT || symbol.st_size != t.type)
		return shape_refuse(j, "map %s: BTF does not define it",
				    shape_word(ret->name).text);
	for (uint32_t i = 0; !err && i < t.vlen; i++) {
		struct btf_member member = shape_btf_member(&t, i);

		err = read_member(j, b, ret, &member);
	}
	return err;
}

/* BTF's list of the maps; no other variables than these and the license are there. */
static int find_list(struct shape_judge *j, const struct shape_btf *b, struct shape_type *ret)
{
	bool found = false;

	for (uint32_t id = 1; id < b->n; id++) {
		struct shape_type t = shape_btf_type(b, id);

		if (t.kind != BTF_KIND_DATASEC || !strcmp(t.name, "license"))
			continue;
		if (strcmp(t.name, ".maps") != 0 || found)
			return shape_refuse(j, "BTF has variables in %s", shape_word(t.name).text);
		found = true;
		*ret = t;
	}
	return found ? 0 : shape_refuse(j, "BTF defines no maps");
}

/* --- judging them ------------------------------------------------------------- */

static int compare_offsets(const void *left, const void *right)
{
	const struct map *a = left, *b = right;

	return (a->offset > b->offset) - (a->offset < b->offset);
}

static int judge_map(struct shape_judge *j, const struct map *map, size_t i)
{
	const bool same = !strcmp(map->name, wanted[i].name);

	if (!same && i == MAPS_MAX - 1)
		return shape_refuse(j, "there is a fourth map, %s", shape_word(map->name).text);
	if (!same)
		return shape_refuse(j, "map %zu is %s, not %s", i + 1, shape_word(map->name).text,
				    wanted[i].name);
	for (size_t f = 0; f < N_FIELDS; f++)
		if (map->fields[f] != wanted[i].fields[f])
			return shape_refuse(j, "map %s: its %s is %u, not %u", map->name,
					    field_names[f], map->fields[f], wanted[i].fields[f]);
	return 0;
}

static int judge_maps(struct shape_judge *j, struct map *maps, size_t n)
{
	GElf_Shdr section;
	int err = 0;

	qsort(maps, n, sizeof(*maps), compare_offsets);
	for (size_t i = 0; !err && i < n; i++)
		err = judge_map(j, &maps[i], i);
	if (err)
		return err;
	if (n < MAPS_MAX - 1)
		return shape_refuse(j, "map %s is missing", wanted[n].name);
	/* Bytes of .maps that are no known map's would be nobody's. */
	if (!shape_section(j, j->at.maps, &section))
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (maps[i].offset != i * (section.sh_size / n))
			return shape_refuse(j, "the maps do not fill their section");
	return 0;
}

static int judge_list(struct shape_judge *j, const struct shape_btf *b, struct object_check *ret)
{
	struct map maps[MAPS_MAX] = { 0 };
	struct shape_type list = { 0 };
	int err = find_list(j, b, &list);

	if (!err && list.vlen > MAPS_MAX)
		err = shape_refuse(j, "there are %u maps, not 3", list.vlen);
	for (uint32_t i = 0; !err && i < list.vlen; i++) {
		struct btf_var_secinfo place = shape_btf_variable(&list, i);

		err = read_map(j, b, &place, &maps[i]);
	}
	if (!err)
		err = judge_maps(j, maps, list.vlen);
	ret->n_maps = list.vlen;
	ret->counts = list.vlen == MAPS_MAX;
	return err;
}

/* Relocations against the running kernel's types: not of this ABI. */
static int judge_btf_ext(struct shape_judge *j)
{
	static const size_t core_relo_len = 28; /* in its header, which ends at 32 */
	uint32_t header_len, len = 0;
	GElf_Shdr section;
	Elf_Data *data;

	if (!j->at.btf_ext)
		return 0;
	data = shape_section(j, j->at.btf_ext, &section);
	if (!data)
		return -EINVAL;
	if (data->d_size < 24)
		return shape_refuse(j, "its BTF.ext is cut off");
	memcpy(&header_len, (const char *)data->d_buf + 4, sizeof(header_len));
	if (header_len > data->d_size)
		return shape_refuse(j, "its BTF.ext is cut off");
	if (header_len >= core_relo_len + sizeof(len))
		memcpy(&len, (const char *)data->d_buf + core_relo_len, sizeof(len));
	return len ? shape_refuse(j, "it depends on the kernel's types") : 0;
}

int shape_maps_judge(struct shape_judge *j, struct object_check *ret)
{
	struct shape_btf b = SHAPE_BTF_INIT;
	GElf_Shdr section;
	Elf_Data *data = shape_section(j, j->at.btf, &section);
	int err = data ? judge_btf_ext(j) : -EINVAL;

	if (err)
		return err;
	err = shape_btf_init(&b, data->d_buf, data->d_size);
	if (err == -EINVAL)
		return shape_refuse(j, "its BTF is damaged");
	if (!err)
		err = judge_list(j, &b, ret);
	shape_btf_done(&b);
	return err;
}
