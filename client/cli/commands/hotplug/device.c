/* SPDX-License-Identifier: MIT */
/* The arguments of QEMU's device_add, and advice for what QEMU refuses. */
#include <json-c/json.h>
#include <string.h>

#include "client/cli/commands/hotplug/hotplug.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/qemu/types.h"
#include "client/cli/util/mem.h"

#define FREE_PORT "give --prop bus=ID of a pcie-root-port that is free"

static const struct {
	const char *command;
	const char *words; /* which QEMU's message has in it */
	const char *advice;
} refusals[] = {
	{ "request-ebpf", "has not been found",
	  ": it is older than 9.0 or was built without eBPF, and cannot take the fds" },
	{ "device-list-properties", "not found",
	  ": --device takes a type as QEMU's -device help lists it" },
	{ "getfd", "SCM_RIGHTS", ": a security module, or RLIMIT_NOFILE, kept the fd from it" },
	{ "netdev_add", "Duplicate ID", ": leave out --tap to use it, or give another --netdev" },
	{ "device_add", "hotplugging", ": " FREE_PORT },
	{ "device_add", "occupied", ": " FREE_PORT },
	{ "device_add", "not available",
	  ": leave out --prop addr=..., or give a slot that no device is in" },
	{ "device_add", "PCI: no slot",
	  ": unplug a device of this bus, or give --prop bus=ID of a pci-bridge or pcie-root-port "
	  "with room" },
	{ "device_add", "can't find value", ": to make the netdev add --tap IFNAME --queues N" },
	{ "qom-get", "not found", ": it is no network device" },
	{ "device_add", "in use",
	  ": another device has this netdev, or had it when its device_add failed (QEMU 10.0): "
	  "give another --netdev" },
};

const char *hotplug_advice(const char *command, const char *words)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (strcmp(refusals[i].command, command) == 0 && strstr(words, refusals[i].words))
			return refusals[i].advice;
	return "";
}

char *hotplug_fd_name(const struct hotplug_options *o, const char *what)
{
	return mem_format("rssb-%s-%s", what, o->id);
}

/* The names under which it has them, in QEMU's order. */
static struct json_object *fds(const struct hotplug_options *o)
{
	static const char *const whats[] = { "program", "config", "key", "table" };
	struct json_object *names = mem_must(json_object_new_array());

	for (size_t i = 0; i < sizeof(whats) / sizeof(whats[0]); i++) {
		_cleanup_free_ char *name = hotplug_fd_name(o, whats[i]);

		mem_json_add(names, json_object_new_string(name));
	}
	return names;
}

struct json_object *hotplug_device(const struct hotplug_options *o, struct json_object *types)
{
	struct json_object *device = mem_must(json_object_new_object());

	mem_json_set_string(device, "driver", o->device);
	mem_json_set_string(device, "id", o->id);
	mem_json_set_string(device, "netdev", o->netdev);
	mem_json_set(device, "mq", json_object_new_boolean(true));
	mem_json_set(device, "rss", json_object_new_boolean(true));
	mem_json_set(device, "ebpf-rss-fds", fds(o));
	json_object_object_foreach(o->props, name, text) mem_json_set(
		device, name,
		qemu_typed_value(name, qemu_opts_get(types, name), json_object_get_string(text)));
	return device;
}
