/* SPDX-License-Identifier: MIT */
/* Reading what a -netdev says; k=v has strings alone, JSON also numbers and truths. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/qemu/netdev.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/util/mem.h"

static bool flag(struct json_object *netdev, const char *key)
{
	struct json_object *value = NULL;
	bool truth = false;

	json_object_object_get_ex(netdev, key, &value);
	if (!json_object_is_type(value, json_type_string))
		return json_object_get_boolean(value);
	qemu_opts_bool(json_object_get_string(value), &truth);
	return truth;
}

bool qemu_netdev_is_tap(struct json_object *netdev)
{
	const char *type = qemu_opts_get(netdev, "type");

	return type && strcmp(type, "tap") == 0;
}

const char *qemu_netdev_ifname(struct json_object *netdev)
{
	return qemu_opts_get(netdev, "ifname");
}

int qemu_netdev_fd(struct json_object *netdev)
{
	const char *list = qemu_opts_get(netdev, "fds");
	char *end;
	long fd;

	list = list ? list : qemu_opts_get(netdev, "fd");
	if (!list)
		return -1;
	fd = strtol(list, &end, 10);
	return end == list || (*end && *end != ':') || fd < 0 || fd > INT32_MAX ? -1 : (int)fd;
}

unsigned qemu_netdev_queues(struct json_object *netdev)
{
	const char *list = qemu_opts_get(netdev, "fds");
	struct json_object *number = NULL;
	unsigned n = 1;

	for (; list && *list; list++)
		n += *list == ':';
	if (json_object_object_get_ex(netdev, "queues", &number))
		n = (unsigned)json_object_get_int(number); /* also of a string */
	return n;
}

bool qemu_netdev_vhost(struct json_object *netdev)
{
	if (json_object_object_get_ex(netdev, "vhost", NULL))
		return flag(netdev, "vhost");
	return qemu_opts_get(netdev, "vhostfd") || qemu_opts_get(netdev, "vhostfds") ||
	       flag(netdev, "vhostforce");
}

/* QEMU refuses vhost's other options where vhost is off. */
char *qemu_netdev_without_vhost(struct json_object *netdev, bool json)
{
	_cleanup_json_ struct json_object *copy = mem_must(json_object_new_object());

	json_object_object_foreach(netdev, key, value)
	{
		if (strncmp(key, "vhost", 5) != 0)
			mem_json_set(copy, key, json_object_get(value));
	}
	if (!json) {
		mem_json_set_string(copy, "vhost", "off");
		return qemu_opts_format(copy, "type");
	}
	mem_json_set(copy, "vhost", json_object_new_boolean(false));
	return mem_format(
		"%s", mem_json_text(copy, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}
