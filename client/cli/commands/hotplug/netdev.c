/* SPDX-License-Identifier: MIT */
/* What a running QEMU's netdev is.  It asks "info network", which changes nothing. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands/hotplug/hotplug.h"
#include "client/cli/qemu/monitor.h"
#include "client/cli/util/mem.h"

/* From a line "ID: index=0,type=tap,...", which may be indented below its device. */
static char *type_in(const char *list, const char *id)
{
	_cleanup_free_ char *start = mem_format("%s: index=", id);

	while (list && *list) {
		const char *line = list + strspn(list, " \\"), *type;

		type = strncmp(line, start, strlen(start)) ? NULL : strstr(line, ",type=");
		if (type)
			return mem_must(strndup(type + 6, strcspn(type + 6, ",\r\n")));
		list = strchr(list, '\n');
		list = list ? list + 1 : NULL;
	}
	return NULL;
}

char *hotplug_netdev_type(struct monitor *m, const char *id)
{
	struct json_object *arguments = mem_must(json_object_new_object());
	_cleanup_json_ struct json_object *list = NULL;

	mem_json_set_string(arguments, "command-line", "info network");
	if (monitor_execute(m, "human-monitor-command", arguments, -1, &list))
		return NULL;
	return type_in(json_object_get_string(list), id);
}
