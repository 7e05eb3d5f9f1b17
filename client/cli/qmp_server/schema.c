/* SPDX-License-Identifier: MIT */
/*
 * The schema of this server's commands.  As in QEMU, types have numbers for
 * names: a client finds a type by following a command, never by its name.
 */
#include "client/cli/qmp_server/commands.h"

#include <json-c/json.h>
#include <stddef.h>

#include "client/cli/util/mem.h"

#define ENTRY(meta, name, rest) "{'meta-type': '" meta "', 'name': '" name "', " rest "}, "
#define COMMAND(name, arg, ret)                                                                    \
	ENTRY("command", name, "'arg-type': '" arg "', 'ret-type': '" ret "'")
#define OBJECT(name, members) ENTRY("object", name, "'members': [" members "]")
#define ARRAY(type)	      ENTRY("array", "[" type "]", "'element-type': '" type "'")
#define BUILTIN(name, json)   ENTRY("builtin", name, "'json-type': '" json "'")
#define ENUM(name, members, values)                                                                \
	ENTRY("enum", name, "'members': [" members "], 'values': [" values "]")
#define MEMBER(name, type)   "{'name': '" name "', 'type': '" type "'}"
#define OPTIONAL(name, type) "{'name': '" name "', 'type': '" type "', 'default': null}"
#define VALUE(name)	     "{'name': '" name "'}"
#define CASE(value, type)    "{'case': '" value "', 'type': '" type "'}"

/* clang-format off */
static const char schema[] = "["
	COMMAND("qmp_capabilities", "1", "0")
	COMMAND("query-version", "0", "3")
	COMMAND("query-commands", "0", "[5]")
	COMMAND("query-qmp-schema", "0", "[9]")
	COMMAND("request-ebpf", "6", "8")
	COMMAND("quit", "0", "0")
	OBJECT("0", "")

	/* qmp_capabilities */
	OBJECT("1", OPTIONAL("enable", "[2]"))
	ARRAY("2")
	ENUM("2", VALUE("oob"), "'oob'")

	/* query-version, query-commands */
	OBJECT("3", MEMBER("qemu", "4") ", " MEMBER("package", "str"))
	OBJECT("4", MEMBER("major", "int") ", " MEMBER("minor", "int") ", " MEMBER("micro", "int"))
	ARRAY("5")
	OBJECT("5", MEMBER("name", "str"))

	/* request-ebpf */
	OBJECT("6", MEMBER("id", "7"))
	ENUM("7", VALUE("rss"), "'rss'")
	OBJECT("8", MEMBER("object", "str"))

	/* query-qmp-schema: this very form */
	ARRAY("9")
	ENTRY("object", "9",
		"'members': [" MEMBER("name", "str") ", " MEMBER("meta-type", "10") ", "
		OPTIONAL("features", "[str]") "], 'tag': 'meta-type', 'variants': ["
		CASE("builtin", "11") ", " CASE("enum", "13") ", " CASE("array", "15") ", "
		CASE("object", "16") ", " CASE("alternate", "19") ", " CASE("command", "21") ", "
		CASE("event", "22") "]")
	ENUM("10", VALUE("builtin") ", " VALUE("enum") ", " VALUE("array") ", " VALUE("object") ", "
		VALUE("alternate") ", " VALUE("command") ", " VALUE("event"),
		"'builtin', 'enum', 'array', 'object', 'alternate', 'command', 'event'")
	OBJECT("11", MEMBER("json-type", "12"))
	ENUM("12", VALUE("string") ", " VALUE("number") ", " VALUE("int") ", " VALUE("boolean") ", "
		VALUE("null") ", " VALUE("object") ", " VALUE("array") ", " VALUE("value"),
		"'string', 'number', 'int', 'boolean', 'null', 'object', 'array', 'value'")
	OBJECT("13", MEMBER("members", "[14]") ", "
		"{'name': 'values', 'type': '[str]', 'features': ['deprecated']}")
	ARRAY("14")
	OBJECT("14", MEMBER("name", "str") ", " OPTIONAL("features", "[str]"))
	OBJECT("15", MEMBER("element-type", "str"))
	OBJECT("16", MEMBER("members", "[17]") ", " OPTIONAL("tag", "str") ", "
		OPTIONAL("variants", "[18]"))
	ARRAY("17")
	OBJECT("17", MEMBER("name", "str") ", " MEMBER("type", "str") ", "
		OPTIONAL("default", "any") ", " OPTIONAL("features", "[str]"))
	ARRAY("18")
	OBJECT("18", MEMBER("case", "str") ", " MEMBER("type", "str"))
	OBJECT("19", MEMBER("members", "[20]"))
	ARRAY("20")
	OBJECT("20", MEMBER("type", "str"))
	OBJECT("21", MEMBER("arg-type", "str") ", " MEMBER("ret-type", "str") ", "
		OPTIONAL("allow-oob", "bool"))
	OBJECT("22", MEMBER("arg-type", "str"))
	ARRAY("str")
	BUILTIN("str", "string")
	BUILTIN("int", "int")
	BUILTIN("bool", "boolean")
	BUILTIN("any", "value")
"]";
/* clang-format on */

struct json_object *qmp_schema(void)
{
	return mem_must(json_tokener_parse(schema));
}
