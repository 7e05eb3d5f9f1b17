/* SPDX-License-Identifier: MIT */
/*
 * The schema of this server's commands.  As in QEMU, types have numbers for
 * names: a client finds a type by following a command, never by its name.
 */
#include "client/cli/qmp_server/schema.h"

#include <assert.h>
#include <json-c/json.h>
#include <string.h>

#include "client/cli/qmp_server/program.h"
#include "client/cli/util/mem.h"

/*
 * An entry of the schema.  Of a command, words are "argument-type return-type";
 * of an object its members as "name:type", '?' after the name of one that need
 * not be there, '!' after a deprecated one; of an enum its values; of an array
 * the element's type; of a builtin its type in JSON.
 */
static const struct row {
	const char *meta, *name, *words;
	const char *variants; /* of a union whose tag is "meta-type": "value:type" */
} rows[] = {
	{ "command", "qmp_capabilities", "1 0" },
	{ "command", "query-version", "0 3" },
	{ "command", "query-commands", "0 [5]" },
	{ "command", "query-qmp-schema", "0 [9]" },
	{ "command", "request-ebpf", "6 8" },
	{ "command", "quit", "0 0" },
	{ "object", "0", "" },

	/* qmp_capabilities */
	{ "object", "1", "enable?:[2]" },
	{ "array", "[2]", "2" },
	{ "enum", "2", "oob" },

	/* query-version, query-commands */
	{ "object", "3", "qemu:4 package:str" },
	{ "object", "4", "major:int minor:int micro:int" },
	{ "array", "[5]", "5" },
	{ "object", "5", "name:str" },

	/* request-ebpf; its enum, 7, is made of the table of programs */
	{ "object", "6", "id:7" },
	{ "object", "8", "object:str" },

	/* query-qmp-schema: this very form */
	{ "array", "[9]", "9" },
	{ "object", "9", "name:str meta-type:10 features?:[str]",
	  .variants = "builtin:11 enum:13 array:15 object:16 alternate:19 command:21 event:22" },
	{ "enum", "10", "builtin enum array object alternate command event" },
	{ "object", "11", "json-type:12" },
	{ "enum", "12", "string number int boolean null object array value" },
	{ "object", "13", "members:[14] values!:[str]" },
	{ "array", "[14]", "14" },
	{ "object", "14", "name:str features?:[str]" },
	{ "object", "15", "element-type:str" },
	{ "object", "16", "members:[17] tag?:str variants?:[18]" },
	{ "array", "[17]", "17" },
	{ "object", "17", "name:str type:str default?:any features?:[str]" },
	{ "array", "[18]", "18" },
	{ "object", "18", "case:str type:str" },
	{ "object", "19", "members:[20]" },
	{ "array", "[20]", "20" },
	{ "object", "20", "type:str" },
	{ "object", "21", "arg-type:str ret-type:str allow-oob?:bool" },
	{ "object", "22", "arg-type:str" },
	{ "array", "[str]", "str" },
	{ "builtin", "str", "string" },
	{ "builtin", "int", "int" },
	{ "builtin", "bool", "boolean" },
	{ "builtin", "any", "value" },
};

#define EBPF_PROGRAM_ID "7"

static struct json_object *entry_new(const char *meta, const char *name)
{
	struct json_object *entry = mem_must(json_object_new_object());

	mem_json_set_string(entry, "name", name);
	mem_json_set_string(entry, "meta-type", meta);
	return entry;
}

/* An empty list as object[key], which keeps it. */
static struct json_object *list_in(struct json_object *object, const char *key)
{
	struct json_object *list = mem_must(json_object_new_array());

	mem_json_set(object, key, list);
	return list;
}

static void list_add_string(struct json_object *list, const char *text)
{
	json_object_array_add(list, mem_must(json_object_new_string(text)));
}

/* "name:type", with the marks that a member may have. */
static struct json_object *pair_new(char *word, const char *name_key)
{
	struct json_object *pair = mem_must(json_object_new_object());
	char *type = strchr(word, ':'), *mark;

	assert(type); /* the words are this file's own */
	mark = type - 1;
	*type++ = '\0';
	if (*mark == '?')
		json_object_object_add(pair, "default", NULL);
	if (*mark == '!')
		list_add_string(list_in(pair, "features"), "deprecated");
	if (*mark == '?' || *mark == '!')
		*mark = '\0';
	mem_json_set_string(pair, name_key, word);
	mem_json_set_string(pair, "type", type);
	return pair;
}

static void pairs_add(struct json_object *list, const char *words, const char *name_key)
{
	_cleanup_free_ char *copy = mem_must(strdup(words));
	char *save, *word;

	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		json_object_array_add(list, pair_new(word, name_key));
}

static void enum_add(struct json_object *entry, const char *value)
{
	struct json_object *members, *values, *member = mem_must(json_object_new_object());

	if (!json_object_object_get_ex(entry, "members", &members))
		members = list_in(entry, "members");
	if (!json_object_object_get_ex(entry, "values", &values))
		values = list_in(entry, "values");
	mem_json_set_string(member, "name", value);
	json_object_array_add(members, member);
	list_add_string(values, value);
}

static void enum_fill(struct json_object *entry, const char *words)
{
	_cleanup_free_ char *copy = mem_must(strdup(words));
	char *save, *word;

	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		enum_add(entry, word);
}

static void command_fill(struct json_object *entry, const char *words)
{
	const size_t n = strcspn(words, " ");
	_cleanup_free_ char *arg = mem_must(strndup(words, n));

	mem_json_set_string(entry, "arg-type", arg);
	mem_json_set_string(entry, "ret-type", words + n + 1);
}

static void object_fill(struct json_object *entry, const struct row *row)
{
	pairs_add(list_in(entry, "members"), row->words, "name");
	if (!row->variants)
		return;
	mem_json_set_string(entry, "tag", "meta-type");
	pairs_add(list_in(entry, "variants"), row->variants, "case");
}

static struct json_object *entry_of(const struct row *row)
{
	struct json_object *entry = entry_new(row->meta, row->name);

	switch (row->meta[0]) {
	case 'c':
		command_fill(entry, row->words);
		break;
	case 'o':
		object_fill(entry, row);
		break;
	case 'e':
		enum_fill(entry, row->words);
		break;
	case 'a':
		mem_json_set_string(entry, "element-type", row->words);
		break;
	default:
		mem_json_set_string(entry, "json-type", row->words);
		break;
	}
	return entry;
}

struct json_object *qmp_schema(void)
{
	struct json_object *schema = mem_must(json_object_new_array());
	struct json_object *programs = entry_new("enum", EBPF_PROGRAM_ID);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		json_object_array_add(schema, entry_of(&rows[i]));
	for (const struct qmp_program *p = qmp_programs; p->id; p++)
		enum_add(programs, p->id);
	json_object_array_add(schema, programs);
	return schema;
}
