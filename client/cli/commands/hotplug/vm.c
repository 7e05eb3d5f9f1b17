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

int vm_fail(struct vm *vm, char *why)
{
	free(vm->why);
	vm->why = why;
	return CLI_FAILED;
}

void vm_remark(struct vm *vm, char *words)
{
	vm_fail(vm, vm->why ? mem_format("%s; %s", vm->why, words) : mem_format("%s", words));
	free(words);
}

int vm_reach(struct vm *vm, const char *qmp, const char *domain)
{
	_cleanup_free_ char *why = NULL;

	vm->monitor = monitor_open(qmp, domain, &why);
	if (vm->monitor)
		return CLI_OK;
	if (qmp && access(qmp, F_OK))
		return vm_fail(vm,
			       mem_format("%s (QEMU makes it with -qmp unix:%s,server=on,wait=off)",
					  why, qmp));
	return vm_fail(vm, mem_format("%s", why));
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
		return vm_fail(vm, mem_format("%s: QEMU says \"%s\"%s", command, why,
					      hotplug_advice(command, why)));
	return r ? vm_fail(vm, mem_format("%s: %s", command, why)) : CLI_OK;
}

int vm_has_device(struct vm *vm, const char *id, bool *ret)
{
	_cleanup_json_ struct json_object *list = NULL;
	int r = vm_execute(vm, "qom-list", mem_json_pair("path", "/machine/peripheral"), -1, &list);

	if (!r && !json_object_is_type(list, json_type_array))
		r = vm_fail(vm, mem_format("qom-list: QEMU's answer is no list"));
	if (!r)
		*ret = qemu_list_has(list, id);
	return r;
}
