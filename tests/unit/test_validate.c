/* SPDX-License-Identifier: MIT */
/*
 * The validator at each field's boundaries.  A row changes one golden message in
 * a few places and says which words the refusal has: field, value, allowed range.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "proto/codec.h"
#include "tests/unit/vector.h"

#define ACQUIRE(field)                                                                             \
	offsetof(struct rssb_request_acquire, field),                                              \
		sizeof(((struct rssb_request_acquire *)0)->field)
#define ACQUIRE_WORD(field, byte) offsetof(struct rssb_request_acquire, field) + (byte), 8
#define OBJECT(field)                                                                              \
	offsetof(struct rssb_request_object, field),                                               \
		sizeof(((struct rssb_request_object *)0)->field)
#define RELEASE(field)                                                                             \
	offsetof(struct rssb_request_release, field),                                              \
		sizeof(((struct rssb_request_release *)0)->field)
#define EXPORT(field)                                                                              \
	offsetof(struct rssb_request_export, field),                                               \
		sizeof(((struct rssb_request_export *)0)->field)
#define UPDATE(field)                                                                              \
	offsetof(struct rssb_request_update, field),                                               \
		sizeof(((struct rssb_request_update *)0)->field)
#define MOVE(field)                                                                                \
	offsetof(struct rssb_request_move, field), sizeof(((struct rssb_request_move *)0)->field)
#define STATS(field)                                                                               \
	offsetof(struct rssb_request_stats, field), sizeof(((struct rssb_request_stats *)0)->field)

/* A little-endian number to put somewhere. */
struct change {
	size_t at, size;
	uint64_t value;
};

static const struct {
	const char *vector;
	struct change changes[3];
	const char *reason; /* NULL: accepted */
} rows[] = {
	/* kind and flags */
	{ "request-acquire-handoff",
	  { { ACQUIRE(kind), 0 } },
	  "kind is 0, known are 1 (handoff), 2 (program-only), 3 (managed)" },
	{ "request-acquire-handoff", { { ACQUIRE(kind), 2 } }, NULL },
	{ "request-acquire-handoff", { { ACQUIRE(kind), 3 } }, NULL },
	{ "request-acquire-handoff",
	  { { ACQUIRE(kind), 4 } },
	  "kind is 4, known are 1 (handoff), 2 (program-only), 3 (managed)" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(kind), 65535 } },
	  "kind is 65535, known are 1 (handoff), 2 (program-only), 3 (managed)" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(flags), 8 } },
	  "flags is 0x8, known bits are 0x7" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(flags), 0xffff } },
	  "flags is 0xffff, known bits are 0x7" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(flags), 1 } },
	  "steering must be zero with flag NO_CONFIG" },
	{ "request-acquire-handoff", { { ACQUIRE(flags), 2 } }, NULL },
	{ "request-acquire-handoff",
	  { { ACQUIRE(flags), 4 } },
	  "flag KEEP does not go with kind 1 (handoff): a lease must end it" },
	{ "request-acquire-handoff", { { ACQUIRE(kind), 2 }, { ACQUIRE(flags), 6 } }, NULL },
	{ "request-acquire-no-config",
	  { { ACQUIRE(kind), 2 } },
	  "flag NO_CONFIG goes with kind 1 (handoff) only: nobody could fill the maps" },
	{ "request-acquire-no-config",
	  { { ACQUIRE(kind), 3 } },
	  "flag NO_CONFIG goes with kind 1 (handoff) only: nobody could fill the maps" },
	{ "request-acquire-no-config", { { ACQUIRE(flags), 3 } }, NULL },
	{ "request-acquire-no-config",
	  { { ACQUIRE(steering.queues), 1 } },
	  "steering must be zero with flag NO_CONFIG" },
	{ "request-acquire-no-config",
	  { { ACQUIRE(steering.table[127]), 1 } },
	  "steering must be zero with flag NO_CONFIG" },
	{ "request-acquire-program-only",
	  { { ACQUIRE(flags), 2 } },
	  "flag STATS chooses the object: object.by must be 0 (ABI)" },
	{ "request-acquire-program-only", { { ACQUIRE(flags), 4 } }, NULL },

	/* reserved bytes */
	{ "request-acquire-handoff",
	  { { ACQUIRE(reserved[0]), 1 } },
	  "reserved bytes of ACQUIRE must be zero" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(reserved[3]), 0x80 } },
	  "reserved bytes of ACQUIRE must be zero" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(object.reserved[0]), 1 } },
	  "reserved bytes of object must be zero" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.reserved[3]), 1 } },
	  "reserved bytes of steering must be zero" },
	{ "request-object",
	  { { OBJECT(reserved[0]), 1 } },
	  "reserved bytes of OBJECT must be zero" },
	{ "request-export-abi",
	  { { EXPORT(object.reserved[3]), 255 } },
	  "reserved bytes of object must be zero" },
	{ "request-update",
	  { { UPDATE(steering.reserved[0]), 1 } },
	  "reserved bytes of steering must be zero" },

	/* which object */
	{ "request-export-abi",
	  { { EXPORT(object.by), 2 } },
	  "object.by is 2, allowed are 0 (ABI) and 1 (id)" },
	{ "request-export-abi",
	  { { EXPORT(object.by), 65535 } },
	  "object.by is 65535, allowed are 0 (ABI) and 1 (id)" },
	{ "request-export-abi",
	  { { EXPORT(object.abi), 0 } },
	  "object.abi is 0, known is 1 (qemu-rss-1)" },
	{ "request-export-abi",
	  { { EXPORT(object.abi), 2 } },
	  "object.abi is 2, known is 1 (qemu-rss-1)" },
	{ "request-export-abi",
	  { { EXPORT(object.id[0]), 1 } },
	  "object.id must be zero when object.by is 0 (ABI)" },
	{ "request-export-abi",
	  { { EXPORT(object.id[31]), 1 } },
	  "object.id must be zero when object.by is 0 (ABI)" },
	{ "request-export-id",
	  { { EXPORT(object.abi), 1 } },
	  "object.abi is 1, must be 0 when object.by is 1 (id)" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(object.abi), 2 } },
	  "object.abi is 2, known is 1 (qemu-rss-1)" },
	{ "request-object", { { OBJECT(index), 0xffffffff } }, NULL },

	/* labels */
	{ "request-acquire-handoff",
	  { { ACQUIRE(label[0]), 0 } },
	  "label byte 0 is 0x00, allowed are A-Z a-z 0-9 . _ - and zeros behind" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(label[2]), 0 } },
	  "label byte 2 is 0x00, allowed are A-Z a-z 0-9 . _ - and zeros behind" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(label[15]), 'x' } },
	  "label byte 5 is 0x00, allowed are A-Z a-z 0-9 . _ - and zeros behind" },
	{ "request-acquire-handoff",
	  { { ACQUIRE_WORD(label, 0), 0x3234 }, { ACQUIRE_WORD(label, 8), 0 } },
	  "label 42 is all digits, and that names a grant by its id" },
	{ "request-acquire-handoff",
	  { { ACQUIRE_WORD(label, 0), 0x3030303030303030 },
	    { ACQUIRE_WORD(label, 8), 0x3939393939393939 } },
	  "label 0000000099999999 is all digits, and that names a grant by its id" },
	{ "request-acquire-handoff",
	  { { ACQUIRE_WORD(label, 0), 0x2d3234 }, { ACQUIRE_WORD(label, 8), 0 } },
	  NULL },
	{ "request-acquire-handoff",
	  { { ACQUIRE(label[1]), ' ' } },
	  "label byte 1 is 0x20, allowed are A-Z a-z 0-9 . _ - and zeros behind" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(label[4]), '\n' } },
	  "label byte 4 is 0x0a, allowed are A-Z a-z 0-9 . _ - and zeros behind" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(label[0]), '/' } },
	  "label byte 0 is 0x2f, allowed are A-Z a-z 0-9 . _ - and zeros behind" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(label[0]), ':' } },
	  "label byte 0 is 0x3a, allowed are A-Z a-z 0-9 . _ - and zeros behind" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(label[0]), '@' } },
	  "label byte 0 is 0x40, allowed are A-Z a-z 0-9 . _ - and zeros behind" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(label[0]), '[' } },
	  "label byte 0 is 0x5b, allowed are A-Z a-z 0-9 . _ - and zeros behind" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(label[0]), '`' } },
	  "label byte 0 is 0x60, allowed are A-Z a-z 0-9 . _ - and zeros behind" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(label[0]), '{' } },
	  "label byte 0 is 0x7b, allowed are A-Z a-z 0-9 . _ - and zeros behind" },
	{ "request-acquire-program-only",
	  { { ACQUIRE(label[15]), 0xff } },
	  "label byte 15 is 0xff, allowed are A-Z a-z 0-9 . _ - and zeros behind" },
	{ "request-acquire-program-only", { { ACQUIRE(label[15]), 'Z' } }, NULL },

	/* steering */
	{ "request-acquire-handoff", { { ACQUIRE(steering.hash_types), 0 } }, NULL },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.hash_types), 0x200 } },
	  "hash_types is 0x200, known bits are 0x1ff01ff" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.hash_types), 0xffffffff } },
	  "hash_types is 0xffffffff, known bits are 0x1ff01ff" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.hash_types), 0x100001 } },
	  "hash_types is 0x100001, with tunnels, which kind 1 (handoff) cannot have: its maps are "
	  "as "
	  "QEMU knows them" },
	{ "request-acquire-program-only", { { ACQUIRE(steering.hash_types), 0x1ff01ff } }, NULL },
	{ "request-acquire-program-only",
	  { { ACQUIRE(steering.hash_types), 0x2000001 } },
	  "hash_types is 0x2000001, known bits are 0x1ff01ff" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.queues), 0 } },
	  "queues is 0, allowed is 1 to 256" },
	{ "request-acquire-handoff", { { ACQUIRE(steering.queues), 256 } }, NULL },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.queues), 257 } },
	  "queues is 257, allowed is 1 to 256" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.queues), 65535 } },
	  "queues is 65535, allowed is 1 to 256" },
	{ "request-acquire-handoff", { { ACQUIRE(steering.default_queue), 3 } }, NULL },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.default_queue), 4 } },
	  "default_queue is 4, allowed is 0 to 3 (queues is 4)" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.default_queue), 65535 } },
	  "default_queue is 65535, allowed is 0 to 3 (queues is 4)" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.key_len), 39 } },
	  "key_len is 39, must be 40" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.key_len), 41 } },
	  "key_len is 41, must be 40" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.table_len), 0 } },
	  "table_len is 0, allowed is a power of two from 1 to 128" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.table_len), 3 } },
	  "table_len is 3, allowed is a power of two from 1 to 128" },
	{ "request-acquire-handoff", { { ACQUIRE(steering.table_len), 16 } }, NULL },
	{ "request-acquire-handoff", { { ACQUIRE(steering.table_len), 128 } }, NULL },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.table_len), 129 } },
	  "table_len is 129, allowed is a power of two from 1 to 128" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.table_len), 256 } },
	  "table_len is 256, allowed is a power of two from 1 to 128" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.table_len), 65535 } },
	  "table_len is 65535, allowed is a power of two from 1 to 128" },
	{ "request-acquire-handoff", { { ACQUIRE(steering.table[0]), 3 } }, NULL },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.table[0]), 4 } },
	  "table[0] is 4, allowed is 0 to 3 (queues is 4)" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.table[7]), 65535 } },
	  "table[7] is 65535, allowed is 0 to 3 (queues is 4)" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.table[8]), 1 } },
	  "table entries from table_len (8) on must be zero" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.table[127]), 0x100 } },
	  "table entries from table_len (8) on must be zero" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.table_len), 128 }, { ACQUIRE(steering.table[127]), 4 } },
	  "table[127] is 4, allowed is 0 to 3 (queues is 4)" },
	{ "request-acquire-handoff",
	  { { ACQUIRE(steering.table_len), 1 } },
	  "table entries from table_len (1) on must be zero" },
	{ "request-acquire-program-only",
	  { { ACQUIRE(steering.queues), 255 } },
	  "default_queue is 255, allowed is 0 to 254 (queues is 255)" },
	{ "request-acquire-handoff", { { ACQUIRE(steering.key[39]), 0 } }, NULL },

	/* which grant */
	{ "request-release-id",
	  { { RELEASE(grant.id), 0 } },
	  "grant.id is 0 and there is no label: name the grant by one of them" },
	{ "request-release-id", { { RELEASE(grant.id), UINT64_MAX } }, NULL },
	{ "request-release-id",
	  { { RELEASE(grant.label[0]), 'a' } },
	  "grant has both an id and a label: name it by one of them" },
	{ "request-release-id",
	  { { RELEASE(grant.label[1]), 'a' } },
	  "label byte 0 is 0x00, allowed are A-Z a-z 0-9 . _ - and zeros behind" },
	{ "request-release-label",
	  { { RELEASE(grant.id), 1 } },
	  "grant has both an id and a label: name it by one of them" },
	{ "request-stats",
	  { { STATS(grant.id), 0 } },
	  "grant.id is 0 and there is no label: name the grant by one of them" },
	{ "request-stats",
	  { { STATS(grant.label[0]), '!' } },
	  "label byte 0 is 0x21, allowed are A-Z a-z 0-9 . _ - and zeros behind" },
	{ "request-update",
	  { { UPDATE(grant.id), 1 } },
	  "grant has both an id and a label: name it by one of them" },

	/* UPDATE's steering goes the same way */
	/* a key_len of 0 keeps the key */
	{ "request-update",
	  { { UPDATE(steering.key_len), 0 } },
	  "key must be zero when key_len is 0" },
	{ "request-update", { { UPDATE(steering.key_len), 39 } }, "key_len is 39, must be 40" },
	{ "request-update-keep-key",
	  { { UPDATE(steering.key[39]), 1 } },
	  "key must be zero when key_len is 0" },
	{ "request-update-keep-key",
	  { { UPDATE(steering.hash_types), 0x200 } },
	  "hash_types is 0x200, known bits are 0x1ff01ff" },
	{ "request-update-keep-key",
	  { { UPDATE(steering.table_len), 3 } },
	  "table_len is 3, allowed is a power of two from 1 to 128" },
	{ "request-update-keep-key",
	  { { UPDATE(steering.queues), 0 } },
	  "queues is 0, allowed is 1 to 256" },
	{ "request-update-keep-key",
	  { { UPDATE(steering.reserved[0]), 1 } },
	  "reserved bytes of steering must be zero" },
	{ "request-update",
	  { { UPDATE(steering.queues), 2 } },
	  "default_queue is 2, allowed is 0 to 1 (queues is 2)" },
	{ "request-update",
	  { { UPDATE(steering.table[1]), 3 } },
	  "table[1] is 3, allowed is 0 to 2 (queues is 3)" },
	{ "request-update",
	  { { UPDATE(steering.table_len), 0 } },
	  "table_len is 0, allowed is a power of two from 1 to 128" },
	{ "request-update",
	  { { UPDATE(steering.hash_types), 0x3ff } },
	  "hash_types is 0x3ff, known bits are 0x1ff01ff" },
	{ "request-update", { { UPDATE(steering.hash_types), 0x10001 } }, NULL },

	/* MOVE */
	{ "request-move",
	  { { MOVE(move[1].entry), 128 } },
	  "move[1].entry is 128, allowed is 0 to 127" },
	{ "request-move", { { MOVE(move[1].entry), 127 } }, NULL },
	{ "request-move",
	  { { MOVE(move[1].entry), 0 } },
	  "move[1].entry is 0, as move[0].entry is: each entry moves once" },
	{ "request-move", { { MOVE(n), 33 } }, "n is 33, allowed is 0 to 32" },
	{ "request-move", { { MOVE(n), 65535 } }, "n is 65535, allowed is 0 to 32" },
	{ "request-move", { { MOVE(n), 1 } }, "moves from n (1) on must be zero" },
	{ "request-move", { { MOVE(move[31].to), 1 } }, "moves from n (2) on must be zero" },
	{ "request-move",
	  { { MOVE(move[1].reserved[1]), 1 } },
	  "reserved bytes of move must be zero" },
	{ "request-move", { { MOVE(reserved[5]), 1 } }, "reserved bytes of MOVE must be zero" },
	{ "request-move",
	  { { MOVE(grant.id), 1 } },
	  "grant has both an id and a label: name it by one of them" },
};

static void apply(struct vector *v, const struct change *change)
{
	for (size_t i = 0; i < change->size; i++)
		v->bytes[change->at + i] = (uint8_t)(change->value >> 8 * i);
}

static void one_row(size_t i)
{
	union rssb_request got;
	struct rssb_refusal why;
	struct vector v;
	int r;

	vector_read(&v, rows[i].vector);
	for (size_t c = 0; c < 3; c++)
		apply(&v, &rows[i].changes[c]);
	r = rssb_request_decode(&got, v.bytes, v.len, &why);
	if (!rows[i].reason) {
		if (r)
			fail_msg("row %zu: refused: %s", i, why.reason);
		return;
	}
	if (!r)
		fail_msg("row %zu: accepted, should be: %s", i, rows[i].reason);
	assert_string_equal(why.reason, rows[i].reason);
	assert_int_equal(r, -EINVAL);
	assert_int_equal(why.status, RSSB_INVALID);
	assert_int_equal(why.retry_ms, 0);
}

static void fault_7_boundaries(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		one_row(i);
}

/* Every power of two is a length of a table, and no other number is. */
static void fault_7_table_lengths(void **state)
{
	union rssb_request got;
	struct rssb_refusal why;
	struct vector v;

	vector_read(&v, "request-acquire-handoff");
	for (unsigned len = 0; len < 65536; len++) {
		const struct change change = { ACQUIRE(steering.table_len), len };
		bool want = len >= 8 && len <= 128 && !(len & (len - 1)); /* 8 are used */

		apply(&v, &change);
		assert_int_equal(rssb_request_decode(&got, v.bytes, v.len, &why),
				 want ? 0 : -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fault_7_boundaries),
		cmocka_unit_test(fault_7_table_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
