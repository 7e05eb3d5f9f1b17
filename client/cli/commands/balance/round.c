/* SPDX-License-Identifier: MIT */
/* A round as a line for people, or as JSON. */
#include <json-c/json.h>

#include "client/cli/commands/balance/balance.h"
#include "client/cli/util/mem.h"

/* Of all packets, and of all bytes, of the round. */
static double share(const struct round *r, uint16_t entry)
{
	return r->packets ? (double)r->load.entry[entry] / (double)r->packets : 0;
}

static double share_bytes(const struct round *r, uint16_t entry)
{
	return r->bytes ? (double)r->entry_bytes[entry] / (double)r->bytes : 0;
}

void round_print(FILE *out, const struct round *r, bool verbose)
{
	fprintf(out,
		"round %lu: %llu packets in %.1f s, the largest queue has %.2f of a fair share",
		r->number, (unsigned long long)r->packets, r->seconds, r->peak);
	if (!r->packets)
		fprintf(out, "; nothing to balance\n");
	else if (!r->n)
		fprintf(out, "; no entry moves\n");
	else
		fprintf(out, "; %zu of %u entries %s, for %.2f\n", r->n, r->table.len,
			r->moved ? "moved" : "would move", r->expected);
	for (size_t i = 0; verbose && i < r->n; i++)
		fprintf(out,
			"  entry %u, %.1f %% of the packets, %.1f %% of the bytes: queue %u -> "
			"%u\n",
			r->move[i].entry, 100 * share(r, r->move[i].entry),
			100 * share_bytes(r, r->move[i].entry), r->move[i].from, r->move[i].to);
}

static void set_number(struct json_object *object, const char *key, double value)
{
	char text[32];

	snprintf(text, sizeof(text), "%.4f", value);
	mem_json_set(object, key, json_object_new_double_s(value, text));
}

static struct json_object *moves_json(const struct round *r)
{
	struct json_object *moves = mem_must(json_object_new_array());

	for (size_t i = 0; i < r->n; i++) {
		struct json_object *row = mem_must(json_object_new_object());

		mem_json_set(row, "entry", json_object_new_int(r->move[i].entry));
		mem_json_set(row, "from", json_object_new_int(r->move[i].from));
		mem_json_set(row, "to", json_object_new_int(r->move[i].to));
		set_number(row, "share", share(r, r->move[i].entry));
		set_number(row, "share_bytes", share_bytes(r, r->move[i].entry));
		mem_json_add(moves, row);
	}
	return moves;
}

void round_print_json(FILE *out, const struct round *r)
{
	struct json_object *root = mem_must(json_object_new_object());

	mem_json_set(root, "round", json_object_new_uint64(r->number));
	mem_json_set(root, "grant", json_object_new_uint64(r->table.grant_id));
	set_number(root, "seconds", r->seconds);
	mem_json_set(root, "packets", json_object_new_uint64(r->packets));
	mem_json_set(root, "bytes", json_object_new_uint64(r->bytes));
	set_number(root, "peak", r->peak);
	set_number(root, "expected", r->expected);
	mem_json_set(root, "moved", json_object_new_boolean(r->moved));
	mem_json_set(root, "moves", moves_json(r));
	fprintf(out, "%s\n", mem_json_text(root, JSON_C_TO_STRING_PLAIN));
	json_object_put(root);
}
