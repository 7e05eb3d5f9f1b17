/* SPDX-License-Identifier: MIT */
/* rssb info: what the broker is, and which objects it has. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

#include "client/cli/commands/commands.h"
#include "client/cli/util/mem.h"
#include "proto/codec.h"

static struct request {
	bool json;
} options;

static const struct option_row rows[] = {
	OPTION_PARAGRAPH("usage: rssb info [--json]\n"
			 "\n"
			 "Shows the broker's version and limits, what it can do, and the steering\n"
			 "objects that it has, each with the SHA-256 of its ELF bytes as its id.\n"
			 "\n"),
	{ "json", .unlisted = 'j', OPTION_FLAG(struct request, json), .help = "for programs" },
	OPTION_END,
};

/* Text, or a row of the JSON array if there is one. */
static void object_show(const struct rssb_object *object, struct json_object *array)
{
	char id[2 * RSSB_OBJECT_ID_LEN + 1];
	struct json_object *row;

	rssb_object_id_format(id, object->id);
	if (!array) {
		printf("object       %s  %s  %" PRIu32 " bytes\n             %s\n", object->name,
		       rssb_abi_name(object->abi), object->size, id);
		return;
	}
	row = mem_must(json_object_new_object());
	mem_json_set_string(row, "id", id);
	mem_json_set_string(row, "name", object->name);
	mem_json_set_string(row, "abi", rssb_abi_name(object->abi));
	mem_json_set(row, "size", json_object_new_int64(object->size));
	mem_json_add(array, row);
}

static int objects_show(struct rssb *c, uint32_t n, struct json_object *array)
{
	for (uint32_t i = 0; i < n; i++) {
		struct rssb_object object;

		if (rssb_object(c, i, &object))
			return cli_fail("info", "%s", rssb_reason(c));
		object_show(&object, array);
	}
	return CLI_OK;
}

static int show_text(struct rssb *c, const struct rssb_info *info)
{
	printf("version      %s\n", info->version);
	printf("limits       %u queues, %u table entries\n", info->queues_max, info->table_max);
	printf("grant kinds ");
	for (enum rssb_grant_kind kind = RSSB_HANDOFF; kind <= RSSB_MANAGED; kind++)
		if (info->kinds & 1u << kind)
			printf(" %s", cli_kind_name(kind));
	putchar('\n');
	return objects_show(c, info->n_objects, NULL);
}

static struct json_object *info_json(const struct rssb_info *info)
{
	struct json_object *root = mem_must(json_object_new_object());
	struct json_object *list = mem_must(json_object_new_array());

	for (enum rssb_grant_kind kind = RSSB_HANDOFF; kind <= RSSB_MANAGED; kind++)
		if (info->kinds & 1u << kind)
			mem_json_add(list, json_object_new_string(cli_kind_name(kind)));
	mem_json_set_string(root, "version", info->version);
	mem_json_set(root, "queues-max", json_object_new_int(info->queues_max));
	mem_json_set(root, "table-max", json_object_new_int(info->table_max));
	mem_json_set(root, "kinds", list);
	return root;
}

static int show_json(struct rssb *c, const struct rssb_info *info)
{
	struct json_object *root = info_json(info);
	struct json_object *objects = mem_must(json_object_new_array());
	int status = objects_show(c, info->n_objects, objects);

	mem_json_set(root, "objects", objects);
	if (status == CLI_OK)
		puts(mem_json_text(root, JSON_C_TO_STRING_PRETTY));
	json_object_put(root);
	return status;
}

static int info_run(struct cli *cli, int argc, char **argv)
{
	_cleanup_connection_ struct rssb *c = NULL;
	struct rssb_info info;

	if (cli_connect(cli, cmd_info.name, &c))
		return CLI_FAILED;
	if (rssb_info(c, &info))
		return cli_fail(cmd_info.name, "%s", rssb_reason(c));
	return options.json ? show_json(c, &info) : show_text(c, &info);
}

const struct command cmd_info = { "info", rows, 10, &options, info_run, .no_words = true };
