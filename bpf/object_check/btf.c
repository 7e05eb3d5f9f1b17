/* SPDX-License-Identifier: MIT */
/* BTF, bounds first.  All reads are copies: nothing says that the bytes are aligned. */
#include "bpf/object_check/btf.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	CHAIN_MAX = 32,		  /* modifiers, and arrays, within one another */
	SIZE_MAX_BYTES = 1 << 30, /* of a value */
};

/* What follows a type of each kind: so many bytes, and for each of its vlen so many. */
static const struct {
	bool known;
	uint8_t once, each;
	bool refers; /* its own `type` is a type, not a size */
} kinds[] = {
	[BTF_KIND_INT] = { true, 4, 0, false },
	[BTF_KIND_PTR] = { true, 0, 0, true },
	[BTF_KIND_ARRAY] = { true, sizeof(struct btf_array), 0, false },
	[BTF_KIND_STRUCT] = { true, 0, sizeof(struct btf_member), false },
	[BTF_KIND_UNION] = { true, 0, sizeof(struct btf_member), false },
	[BTF_KIND_ENUM] = { true, 0, sizeof(struct btf_enum), false },
	[BTF_KIND_FWD] = { true, 0, 0, false },
	[BTF_KIND_TYPEDEF] = { true, 0, 0, true },
	[BTF_KIND_VOLATILE] = { true, 0, 0, true },
	[BTF_KIND_CONST] = { true, 0, 0, true },
	[BTF_KIND_RESTRICT] = { true, 0, 0, true },
	[BTF_KIND_FUNC] = { true, 0, 0, true },
	[BTF_KIND_FUNC_PROTO] = { true, 0, sizeof(struct btf_param), true },
	[BTF_KIND_VAR] = { true, sizeof(struct btf_var), 0, true },
	[BTF_KIND_DATASEC] = { true, 0, sizeof(struct btf_var_secinfo), false },
	[BTF_KIND_FLOAT] = { true, 0, 0, false },
	[BTF_KIND_DECL_TAG] = { true, sizeof(struct btf_decl_tag), 0, true },
	[BTF_KIND_TYPE_TAG] = { true, 0, 0, true },
	[BTF_KIND_ENUM64] = { true, 0, sizeof(struct btf_enum64), false },
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static bool is_modifier(uint32_t kind)
{
	return kind == BTF_KIND_TYPEDEF || kind == BTF_KIND_VOLATILE || kind == BTF_KIND_CONST ||
	       kind == BTF_KIND_RESTRICT || kind == BTF_KIND_TYPE_TAG;
}

/* --- reading what was judged ----------------------------------------------- */

const char *shape_btf_name(const struct shape_btf *b, uint32_t offset)
{
	return b->strings + offset;
}

static struct btf_type raw_type(const struct shape_btf *b, uint32_t offset)
{
	struct btf_type raw;

	memcpy(&raw, b->types + offset, sizeof(raw));
	return raw;
}

struct shape_type shape_btf_type(const struct shape_btf *b, uint32_t id)
{
	struct btf_type raw;

	if (id == 0)
		return (struct shape_type){ .name = "", .kind = BTF_KIND_UNKN };
	raw = raw_type(b, b->offsets[id]);
	return (struct shape_type){
		.name = shape_btf_name(b, raw.name_off),
		.kind = BTF_INFO_KIND(raw.info),
		.vlen = BTF_INFO_VLEN(raw.info),
		.type = raw.type,
		.more = b->types + b->offsets[id] + sizeof(raw),
	};
}

struct btf_member shape_btf_member(const struct shape_type *t, uint32_t i)
{
	struct btf_member member;

	memcpy(&member, t->more + i * sizeof(member), sizeof(member));
	return member;
}

struct btf_var_secinfo shape_btf_variable(const struct shape_type *section, uint32_t i)
{
	struct btf_var_secinfo variable;

	memcpy(&variable, section->more + i * sizeof(variable), sizeof(variable));
	return variable;
}

uint32_t shape_btf_plain(const struct shape_btf *b, uint32_t id)
{
	struct shape_type t = shape_btf_type(b, id);

	while (is_modifier(t.kind)) {
		id = t.type;
		t = shape_btf_type(b, id);
	}
	return id;
}

int64_t shape_btf_size(const struct shape_btf *b, uint32_t id)
{
	int64_t times = 1;

	for (int depth = 0; depth < CHAIN_MAX && times <= SIZE_MAX_BYTES; depth++) {
		struct shape_type t = shape_btf_type(b, shape_btf_plain(b, id));
		struct btf_array array;

		switch (t.kind) {
		case BTF_KIND_INT:
		case BTF_KIND_STRUCT:
		case BTF_KIND_UNION:
		case BTF_KIND_ENUM:
		case BTF_KIND_ENUM64:
		case BTF_KIND_FLOAT:
			return t.type <= SIZE_MAX_BYTES ? times * t.type : -EINVAL;
		case BTF_KIND_PTR:
			return times * 8;
		case BTF_KIND_ARRAY:
			memcpy(&array, t.more, sizeof(array));
			times *= array.nelems;
			id = array.type;
			break;
		default:
			return -EINVAL;
		}
	}
	return -EINVAL;
}

/* --- judging ------------------------------------------------------------------ */

static int judge_name(const struct shape_btf *b, uint32_t offset)
{
	return offset < b->strings_len ? 0 : -EINVAL;
}

static int judge_reference(const struct shape_btf *b, uint32_t id)
{
	return id < b->n ? 0 : -EINVAL;
}

/* What each of a type's vlen parts names and refers to. */
static int judge_part(const struct shape_btf *b, const struct shape_type *t, uint32_t i)
{
	const unsigned char *part = t->more + (size_t)i * kinds[t->kind].each;
	uint32_t first, second; /* words of the part, which is two at least */

	memcpy(&first, part, sizeof(first));
	memcpy(&second, part + sizeof(first), sizeof(second));
	switch (t->kind) {
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_FUNC_PROTO:
		return judge_name(b, first) ?: judge_reference(b, second);
	case BTF_KIND_DATASEC:
		if (judge_reference(b, first))
			return -EINVAL;
		return shape_btf_type(b, first).kind == BTF_KIND_VAR ? 0 : -EINVAL;
	default: /* enums */
		return judge_name(b, first);
	}
}

static int judge_array(const struct shape_btf *b, const struct shape_type *t)
{
	struct btf_array array;

	memcpy(&array, t->more, sizeof(array));
	return judge_reference(b, array.type) ?: judge_reference(b, array.index_type);
}

/* A chain of references that never comes to an end would be followed for ever. */
static int judge_chain(const struct shape_btf *b, uint32_t id)
{
	for (int i = 0; i < CHAIN_MAX; i++) {
		struct shape_type t = shape_btf_type(b, id);

		if (!is_modifier(t.kind))
			return 0;
		id = t.type;
	}
	return -EINVAL;
}

static int judge_type(const struct shape_btf *b, uint32_t id)
{
	struct shape_type t = shape_btf_type(b, id);
	int err = 0;

	if (kinds[t.kind].refers)
		err = judge_reference(b, t.type);
	if (!err && t.kind == BTF_KIND_ARRAY)
		err = judge_array(b, &t);
	for (uint32_t i = 0; !err && kinds[t.kind].each && i < t.vlen; i++)
		err = judge_part(b, &t, i);
	return err;
}

/* The bytes of the type at offset; 0: there is no whole one of a known kind. */
static uint32_t type_length(const struct shape_btf *b, uint32_t offset)
{
	const uint32_t left = b->types_len - offset;
	struct btf_type raw;
	uint32_t kind;
	uint64_t len;

	if (left < sizeof(raw))
		return 0;
	raw = raw_type(b, offset);
	kind = BTF_INFO_KIND(raw.info);
	if (kind >= N_KINDS || !kinds[kind].known || judge_name(b, raw.name_off))
		return 0;
	len = sizeof(raw) + kinds[kind].once + (uint64_t)kinds[kind].each * BTF_INFO_VLEN(raw.info);
	return len <= left ? (uint32_t)len : 0;
}

/* Finds where each type begins; that they refer to one another comes after. */
static int index_types(struct shape_btf *b)
{
	uint32_t offset = 0, len;

	b->offsets = calloc(b->types_len / sizeof(struct btf_type) + 1, sizeof(*b->offsets));
	if (!b->offsets)
		return -ENOMEM;
	for (b->n = 1; offset < b->types_len; b->n++) {
		len = type_length(b, offset);
		if (!len)
			return -EINVAL;
		b->offsets[b->n] = offset;
		offset += len;
	}
	return 0;
}

static int judge_header(struct shape_btf *b, const unsigned char *data, size_t len)
{
	struct btf_header h;
	size_t room;

	if (len < sizeof(h))
		return -EINVAL;
	memcpy(&h, data, sizeof(h));
	if (h.magic != BTF_MAGIC || h.version != BTF_VERSION || h.flags || h.hdr_len < sizeof(h) ||
	    h.hdr_len > len)
		return -EINVAL;
	room = len - h.hdr_len;
	if (h.type_off > room || h.type_len > room - h.type_off || h.type_off % 4 ||
	    h.str_off > room || h.str_len > room - h.str_off || !h.str_len)
		return -EINVAL;
	b->types = data + h.hdr_len + h.type_off;
	b->types_len = h.type_len;
	b->strings = (const char *)data + h.hdr_len + h.str_off;
	b->strings_len = h.str_len;
	return b->strings[0] || b->strings[h.str_len - 1] ? -EINVAL : 0;
}

int shape_btf_init(struct shape_btf *ret, const void *data, size_t len)
{
	struct shape_btf b = SHAPE_BTF_INIT;
	int err = judge_header(&b, data, len);

	if (!err)
		err = index_types(&b);
	for (uint32_t id = 1; !err && id < b.n; id++)
		err = judge_type(&b, id);
	/* Chains run over references: these are judged by now. */
	for (uint32_t id = 1; !err && id < b.n; id++)
		err = judge_chain(&b, id);
	if (err)
		shape_btf_done(&b);
	else
		*ret = b;
	return err;
}

void shape_btf_done(struct shape_btf *b)
{
	free(b->offsets);
	*b = (struct shape_btf)SHAPE_BTF_INIT;
}
