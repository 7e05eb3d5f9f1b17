/* SPDX-License-Identifier: MIT */
/* rssb hash: computes where a flow goes, without asking a broker. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/commands/commands.h"
#include "client/cli/rss/steering.h"
#include "client/cli/rss/toeplitz.h"
#include "client/cli/util/mem.h"

static struct request {
	const char *proto; /* NULL: by the ports */
	bool json;
} options;

static const struct option_row rows[] = {
	OPTION_PARAGRAPH(
		"usage: rssb hash SRC[:PORT] DST[:PORT] [--proto tcp|udp|none] [--json]\n"
		"                 [STEERING]\n"
		"\n"
		"Shows the Toeplitz hash of a flow and, if STEERING says how queues are\n"
		"chosen, its entry in the indirection table and its queue.  An IPv6 address\n"
		"with a port is written [2001:db8::1]:80.\n"
		"\n"),
	{ "proto", .unlisted = 'p', .argument = "P", OPTION_TEXT(struct request, proto),
	  .help = "tcp (the default with ports), udp, none (without ports)" },
	{ "json", .unlisted = 'j', OPTION_FLAG(struct request, json), .help = "for programs" },
	OPTION_PARAGRAPH("\n"
			 "A key may have 52 bytes here, as some NICs' have; the first 40 count.\n"
			 "\n" STEERING_HELP("Microsoft's test key")),
	OPTION_END,
};

/* Where a flow goes; -1: not by the table, or STEERING does not say. */
struct result {
	uint32_t type; /* 0: no enabled hash type */
	uint32_t hash;
	int entry;
	int queue;
};

static struct result steer(const struct flow *flow, const struct steering *s)
{
	struct result result = { .entry = -1, .queue = -1 };

	result.type = toeplitz_flow_hash(flow, s->key, s->hash_types, &result.hash);
	if (!s->table_len)
		return result;
	if (result.type)
		result.entry = (int)(result.hash % s->table_len);
	result.queue = result.type ? s->table[result.entry] : s->default_queue;
	return result;
}

static void show_text(const struct result *result, const struct steering *s)
{
	if (s->key_unused)
		printf("key    the first %d of %d bytes count: no input is longer than %d bytes\n",
		       RSSB_KEY_BYTES, RSSB_KEY_BYTES + s->key_unused, RSSB_KEY_BYTES - 4);
	if (result->type)
		printf("hash   0x%08x (%s)\n", result->hash, steering_hash_type_name(result->type));
	else
		printf("hash   none: no hash type is enabled for it\n");
	if (result->entry >= 0)
		printf("entry  %d\n", result->entry);
	if (result->queue >= 0)
		printf("queue  %d%s\n", result->queue, result->type ? "" : " (the default queue)");
}

/* Writes a number, or null for one below 0. */
static void set_number(struct json_object *root, const char *key, int64_t value)
{
	if (value < 0)
		json_object_object_add(root, key, NULL);
	else
		mem_json_set(root, key, json_object_new_int64(value));
}

static void show_json(const struct result *result)
{
	_cleanup_json_ struct json_object *root = mem_must(json_object_new_object());

	set_number(root, "hash", result->type ? (int64_t)result->hash : -1);
	if (result->type)
		mem_json_set_string(root, "type", steering_hash_type_name(result->type));
	else
		json_object_object_add(root, "type", NULL);
	set_number(root, "entry", result->entry);
	set_number(root, "queue", result->queue);
	puts(mem_json_text(root, JSON_C_TO_STRING_SPACED));
}

/* The flow from the first two words, the steering from the third. */
static int parse_words(int argc, char **argv, const char *proto, struct flow *ret_flow,
		       struct steering *ret_steering)
{
	struct flow_end src, dst;
	char why[WHY_MAX];

	if (argc < 2 || argc > 3)
		return cli_misuse(&cmd_hash,
				  "needs SRC and DST, and takes STEERING as one argument");
	if (flow_end_parse(&src, argv[0], why) || flow_end_parse(&dst, argv[1], why) ||
	    flow_join(ret_flow, &src, &dst, proto, why) ||
	    steering_parse(ret_steering, argc > 2 ? argv[2] : "", why))
		return cli_misuse(&cmd_hash, "%s", why);
	if (!ret_steering->keyed)
		memcpy(ret_steering->key, toeplitz_microsoft_key, sizeof(ret_steering->key));
	return CLI_OK;
}

static int hash_run(struct cli *cli, int argc, char **argv)
{
	struct steering steering;
	struct result result;
	struct flow flow;

	if (parse_words(argc, argv, options.proto, &flow, &steering))
		return CLI_USAGE;
	result = steer(&flow, &steering);
	if (options.json)
		show_json(&result);
	else
		show_text(&result, &steering);
	return CLI_OK;
}

const struct command cmd_hash = { "hash", rows, 13, &options, hash_run };
