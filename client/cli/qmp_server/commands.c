/* SPDX-License-Identifier: MIT */
/* The commands and their answers.  Every answer is one line; no mistake ends the connection. */
#include "client/cli/qmp_server/commands.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/qmp_server/json.h"
#include "client/cli/util/mem.h"

/* The first version of QEMU that has request-ebpf: the interface that this server has. */
#define VERSION                                                                                    \
	"{'qemu': {'micro': 0, 'minor': 0, 'major': 9}, 'package': 'rss-broker-" PACKAGE_VERSION   \
	"'}"

/* Why a command fails: QMP's class and description, in QEMU's words.  desc: to be freed. */
struct qmp_error {
	const char *class;
	char *desc;
};

/* Takes desc.  Returns NULL, which is also false. */
static void *error_set(struct qmp_error *e, const char *class, char *desc)
{
	*e = (struct qmp_error){ class, desc };
	return NULL;
}
#define error_generic(e, ...)	error_set(e, "GenericError", mem_format(__VA_ARGS__))
#define error_not_found(e, ...) error_set(e, "CommandNotFound", mem_format(__VA_ARGS__))

static struct json_object *json_of(const char *text)
{
	return mem_must(json_tokener_parse(text));
}

/* --- arguments, judged in QEMU's words --------------------------------------- */

/* That there is no argument but `known` (NULL: none at all).  args may be NULL. */
static bool args_only(struct json_object *args, const char *known, struct qmp_error *e)
{
	if (!args)
		return true;
	json_object_object_foreach(args, name, value)
	{
		(void)value;
		if (!known || strcmp(name, known) != 0)
			return error_generic(e, "Parameter '%s' is unexpected", name);
	}
	return true;
}

/* A string that must be there; borrowed from args. */
static bool args_string(struct json_object *args, const char *name, const char **ret,
			struct qmp_error *e)
{
	struct json_object *value;

	if (!json_object_object_get_ex(args, name, &value))
		return error_generic(e, "Parameter '%s' is missing", name);
	if (!json_object_is_type(value, json_type_string))
		return error_generic(e, "Invalid parameter type for '%s', expected: string", name);
	*ret = json_object_get_string(value);
	return true;
}

/* A list of strings that need not be there: then *ret is NULL.  Borrowed from args. */
static bool args_strings(struct json_object *args, const char *name, struct json_object **ret,
			 struct qmp_error *e)
{
	struct json_object *list = NULL;

	if (json_object_object_get_ex(args, name, &list) &&
	    !json_object_is_type(list, json_type_array))
		return error_generic(e, "Invalid parameter type for '%s', expected: array", name);
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		if (!json_object_is_type(json_object_array_get_idx(list, i), json_type_string))
			return error_generic(
				e, "Invalid parameter type for '%s[%zu]', expected: string", name,
				i);
	*ret = list;
	return true;
}

/* --- the commands ----------------------------------------------------------- */

/* A command judges its arguments (NULL: none given), and returns a value or sets e. */
typedef struct json_object *command_fn(struct qmp_client *client, struct json_object *args,
				       struct qmp_error *e);

static struct json_object *command_capabilities(struct qmp_client *client, struct json_object *args,
						struct qmp_error *e)
{
	struct json_object *list;

	if (!args_strings(args, "enable", &list, e))
		return NULL;
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(list, i));

		/* QEMU has no name for an element of a list, and says so. */
		if (strcmp(name, "oob") != 0)
			return error_generic(e, "Parameter 'null' does not accept value '%s'",
					     name);
		if (!client->negotiated)
			return error_generic(e, "Capability 'oob' is not offered here");
	}
	if (!args_only(args, "enable", e))
		return NULL;
	if (client->negotiated)
		return error_not_found(
			e, "Capabilities negotiation is already complete, command ignored");
	client->negotiated = true;
	return json_of("{}");
}

static struct json_object *command_version(struct qmp_client *client, struct json_object *args,
					   struct qmp_error *e)
{
	return args_only(args, NULL, e) ? json_of(VERSION) : NULL;
}

static command_fn command_commands;

static struct json_object *command_schema(struct qmp_client *client, struct json_object *args,
					  struct qmp_error *e)
{
	return args_only(args, NULL, e) ? qmp_schema() : NULL;
}

static struct json_object *command_ebpf(struct qmp_client *client, struct json_object *args,
					struct qmp_error *e)
{
	_cleanup_free_ char *object = NULL;
	const char *id;

	if (!args_string(args, "id", &id, e))
		return NULL;
	if (strcmp(id, "rss") != 0) /* QEMU's EbpfProgramID has no other */
		return error_generic(e, "Parameter 'id' does not accept value '%s'", id);
	if (!args_only(args, "id", e))
		return NULL;
	object = qmp_object_get(&client->source);
	return object ? mem_json_pair("object", object)
		      : error_generic(e, "%s", client->source.why);
}

static struct json_object *command_quit(struct qmp_client *client, struct json_object *args,
					struct qmp_error *e)
{
	client->quit = args_only(args, NULL, e);
	return client->quit ? json_of("{}") : NULL;
}

/* schema.c describes each of them. */
static const struct command {
	const char *name;
	command_fn *run;
} commands[] = {
	{ "qmp_capabilities", command_capabilities },
	{ "query-version", command_version },
	{ "query-commands", command_commands },
	{ "query-qmp-schema", command_schema },
	{ "request-ebpf", command_ebpf },
	{ "quit", command_quit },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static struct json_object *command_commands(struct qmp_client *client, struct json_object *args,
					    struct qmp_error *e)
{
	struct json_object *list;

	if (!args_only(args, NULL, e))
		return NULL;
	list = json_of("[]");
	for (size_t i = 0; i < N_COMMANDS; i++)
		mem_json_add(list, mem_json_pair("name", commands[i].name));
	return list;
}

/* --- a message --------------------------------------------------------------- */

/* What a message asks for; borrowed from it. */
struct request {
	const char *command;
	struct json_object *args; /* NULL: none */
};

static bool request_read(struct request *ret, struct json_object *message, struct qmp_error *e)
{
	struct json_object *execute = NULL;
	const bool named = json_object_object_get_ex(message, "execute", &execute);

	*ret = (struct request){ 0 };
	if (named && !json_object_is_type(execute, json_type_string))
		return error_generic(e, "QMP input member 'execute' must be a string");
	if (json_object_object_get_ex(message, "arguments", &ret->args) &&
	    !json_object_is_type(ret->args, json_type_object))
		return error_generic(e, "QMP input member 'arguments' must be an object");

	json_object_object_foreach(message, name, value)
	{
		(void)value;
		if (strcmp(name, "execute") != 0 && strcmp(name, "arguments") != 0 &&
		    strcmp(name, "id") != 0)
			return error_generic(e, "QMP input member '%s' is unexpected", name);
	}
	if (!named)
		return error_generic(e, "QMP input lacks member 'execute'");
	ret->command = json_object_get_string(execute);
	return true;
}

static const struct command *command_find(const struct qmp_client *client, const char *name,
					  struct qmp_error *e)
{
	const size_t n = client->negotiated ? N_COMMANDS : 1; /* the first is qmp_capabilities */

	for (size_t i = 0; i < n; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	if (client->negotiated)
		return error_not_found(e, "The command %s has not been found", name);
	return error_not_found(e, "Expecting capabilities negotiation with 'qmp_capabilities'");
}

static struct json_object *execute(struct qmp_client *client, struct json_object *message,
				   struct qmp_error *e)
{
	const struct command *command;
	struct request request;

	if (!request_read(&request, message, e))
		return NULL;
	command = command_find(client, request.command, e);
	return command ? command->run(client, request.args, e) : NULL;
}

/* --- an answer --------------------------------------------------------------- */

static struct json_object *error_json(struct qmp_error *e)
{
	struct json_object *error = json_of("{}");

	mem_json_set_string(error, "class", e->class);
	mem_json_set_string(error, "desc", e->desc);
	free(e->desc);
	return error;
}

static struct json_object *answer_json(struct qmp_client *client, struct json_object *message)
{
	struct json_object *answer = json_of("{}"), *value, *id;
	struct qmp_error e = { 0 };

	value = execute(client, message, &e);
	if (!e.desc)
		mem_json_set(answer, "return", value);
	if (json_object_object_get_ex(message, "id", &id))
		json_object_object_add(answer, "id", json_object_get(id)); /* null is NULL */
	if (e.desc)
		mem_json_set(answer, "error", error_json(&e));
	return answer;
}

char *qmp_answer(struct qmp_client *client, const char *message)
{
	_cleanup_json_ struct json_object *request = NULL;
	_cleanup_json_ struct json_object *answer = NULL;
	_cleanup_free_ char *desc = NULL;
	const char *why;

	request = qmp_json_parse(message, &why);
	if (why) {
		desc = mem_format("JSON parse error, %s", why);
		return qmp_error_line(desc);
	}
	if (!json_object_is_type(request, json_type_object))
		return qmp_error_line("QMP input must be a JSON object");
	answer = answer_json(client, request);
	return qmp_json_line(answer);
}

char *qmp_error_line(const char *desc)
{
	_cleanup_json_ struct json_object *answer = json_of("{}");
	struct qmp_error e = { 0 };

	error_generic(&e, "%s", desc);
	mem_json_set(answer, "error", error_json(&e));
	return qmp_json_line(answer);
}

char *qmp_greeting(void)
{
	_cleanup_json_ struct json_object *greeting =
		json_of("{'QMP': {'version': " VERSION ", 'capabilities': []}}");

	return qmp_json_line(greeting);
}
