/* SPDX-License-Identifier: MIT */
/* Commands to a running VM, as hotplug and unplug both send them. */
#include "client/cli/commands/hotplug/vm.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/commands/hotplug/hotplug.h"
#include "client/cli/qemu/monitor.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/util/cli.h"
#include "client/cli/util/mem.h"

int vm_fail_line(struct vm *vm, char *why)
{
	free(vm->why);
	vm->why = why;
	return CLI_FAILED;
}

int vm_remark_line(struct vm *vm, char *words)
{
	_cleanup_free_ char *owned = words;

	return vm->why ? vm_fail(vm, "%s; %s", vm->why, owned) : vm_fail(vm, "%s", owned);
}

int vm_reach(struct vm *vm, const char *qmp, const char *domain)
{
	_cleanup_free_ char *why = NULL;

	vm->monitor = monitor_open(qmp, domain, &why);
	if (vm->monitor)
		return CLI_OK;
	if (qmp && access(qmp, F_OK))
		return vm_fail(vm, "%s (QEMU makes it with -qmp unix:%s,server=on,wait=off)", why,
			       qmp);
	return vm_fail(vm, "%s", why);
}

void vm_done(struct vm *vm)
{
	vm->monitor = monitor_close(vm->monitor);
}

int vm_execute(struct vm *vm, const char *command, struct json_object *arguments, int fd,
	       struct json_object **ret)
{
	int r = monitor_execute(vm->monitor, command, arguments, fd, ret);
	const char *why = monitor_why(vm->monitor);

	if (r == -EREMOTEIO)
		return vm_fail(vm, "%s: QEMU says \"%s\"%s", command, why,
			       hotplug_advice(command, why));
	return r ? vm_fail(vm, "%s: %s", command, why) : CLI_OK;
}

int vm_has_device(struct vm *vm, const char *id, bool *ret)
{
	_cleanup_json_ struct json_object *list = NULL;
	int r = vm_execute(vm, "qom-list", mem_json_pair("path", "/machine/peripheral"), -1, &list);

	if (!r && !json_object_is_type(list, json_type_array))
		r = vm_fail(vm, "qom-list: QEMU's answer is no list");
	if (!r)
		*ret = qemu_list_has(list, id);
	return r;
}

/* From a line "ID: index=0,type=TYPE,...": that of a netdev may be indented below its device. */
static char *type_in(const char *list, const char *id, bool nic)
{
	_cleanup_free_ char *start = mem_format("%s: index=", id);

	while (list && *list) {
		const char *line = list + strspn(list, " \\"), *type;

		type = strncmp(line, start, strlen(start)) ? NULL : strstr(line, ",type=");
		if (type && (strncmp(type + 6, "nic,", 4) == 0) == nic)
			return mem_must(strndup(type + 6, strcspn(type + 6, ",\r\n")));
		list = strchr(list, '\n');
		list = list ? list + 1 : NULL;
	}
	return NULL;
}

char *vm_network_type(struct vm *vm, const char *id, bool nic)
{
	_cleanup_json_ struct json_object *list = NULL;

	if (monitor_execute(vm->monitor, "human-monitor-command",
			    mem_json_pair("command-line", "info network"), -1, &list))
		return NULL;
	return type_in(json_object_get_string(list), id, nic);
}
