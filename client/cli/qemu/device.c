/* SPDX-License-Identifier: MIT */
/* Devices of a QEMU command line.  Only what must change in a device is changed. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/qemu/device.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/qemu/types.h"
#include "client/cli/util/mem.h"

bool qemu_device_init(struct qemu_device *dev, const char *text)
{
	*dev = (struct qemu_device){ 0 };
	if (text[0] != '{') {
		dev->props = qemu_opts_parse(text, "driver");
		return true;
	}
	dev->json = text;
	dev->props = json_tokener_parse(text);
	if (json_object_is_type(dev->props, json_type_object))
		return true;
	qemu_device_done(dev);
	return false;
}

void qemu_device_done(struct qemu_device *dev)
{
	json_object_put(dev->props);
	*dev = (struct qemu_device){ 0 };
}

const char *qemu_device_driver(const struct qemu_device *dev)
{
	const char *driver = qemu_opts_get(dev->props, "driver");

	return driver ? driver : "";
}

const char *qemu_device_name(const struct qemu_device *dev)
{
	const char *id = qemu_opts_get(dev->props, "id");

	return id ? id : qemu_device_driver(dev);
}

bool qemu_device_is_virtio_net(const struct qemu_device *dev)
{
	static const char name[] = "virtio-net"; /* itself QEMU's alias of one of the others */
	const char *driver = qemu_device_driver(dev);
	const char *rest = driver + sizeof(name) - 1;

	return strncmp(driver, name, sizeof(name) - 1) == 0 && (!*rest || *rest == '-');
}

bool qemu_device_has_fds(const struct qemu_device *dev)
{
	return json_object_object_get_ex(dev->props, "ebpf-rss-fds", NULL);
}

static enum qemu_flag flag_of_text(const char *text)
{
	bool on;

	if (!text || !qemu_opts_bool(text, &on))
		return QEMU_UNSAID;
	return on ? QEMU_ON : QEMU_OFF;
}

/* Whether a type is the driver's or one that it derives from. */
static bool is_ancestor(const char *type, const char *driver)
{
	const bool alias = !*driver || strcmp(driver, "virtio-net") == 0;

	return strcmp(type, driver) == 0 ||
	       (alias &&
		qemu_word_is_in(type, "virtio-net-pci virtio-net-ccw virtio-net-device")) ||
	       ((alias || strstr(driver, "-pci")) &&
		qemu_word_is_in(type, "virtio-net-pci-base virtio-pci pci-device device")) ||
	       ((alias || strstr(driver, "-ccw")) &&
		qemu_word_is_in(type, "virtio-ccw-device device"));
}

/*
 * What a -global says, NULL: none says it.  One is for a type and all that derive from it, and the
 * last wins.  The virtio device inside takes it first: what is said to the outer one wins.
 */
static const char *global_value(const char *driver, struct json_object *globals, const char *name)
{
	const char *outside = NULL, *inside = NULL;

	json_object_object_foreach(globals, key, value)
	{
		const char *dot = strchr(key, '.');
		_cleanup_free_ char *type = mem_must(strndup(key, (size_t)(dot - key)));

		if (strcmp(dot + 1, name) != 0)
			continue;
		if (is_ancestor(type, driver))
			outside = json_object_get_string(value);
		else if (qemu_word_is_in(type, "virtio-net-device virtio-device device"))
			inside = json_object_get_string(value);
	}
	return outside ? outside : inside;
}

enum qemu_flag qemu_device_flag(const struct qemu_device *dev, struct json_object *globals,
				const char *name)
{
	struct json_object *value;

	if (!json_object_object_get_ex(dev->props, name, &value))
		return flag_of_text(global_value(qemu_device_driver(dev), globals, name));
	if (!dev->json)
		return flag_of_text(json_object_get_string(value));
	if (!json_object_is_type(value, json_type_boolean))
		return QEMU_UNSAID; /* QEMU refuses a JSON string here, even "on" */
	return json_object_get_boolean(value) ? QEMU_ON : QEMU_OFF;
}

char *qemu_device_mistake(const struct qemu_device *dev, struct json_object *globals,
			  const char *name)
{
	struct json_object *value;
	const char *text;

	if (qemu_device_flag(dev, globals, name) != QEMU_UNSAID)
		return NULL;
	if (!json_object_object_get_ex(dev->props, name, &value)) {
		text = global_value(qemu_device_driver(dev), globals, name);
		return text ? mem_format("-global says %s=%s, and QEMU takes on or off", name, text)
			    : NULL;
	}
	text = json_object_get_string(value);
	if (!dev->json)
		return mem_format("%s=%s, and QEMU takes on or off", name, text);
	return mem_format("\"%s\" is %s, a JSON %s, and QEMU takes true or false", name,
			  text ? text : "null", json_type_to_name(json_object_get_type(value)));
}

/* The members to add, each with a comma before it. */
static char *additions_format(const struct qemu_device *dev)
{
	const struct rssb_fds *fds = &dev->fds;
	_cleanup_free_ char *list = NULL;

	if (dev->wants_fds)
		list = mem_format(",\"ebpf-rss-fds\":[\"%d\",\"%d\",\"%d\",\"%d\"]", fds->prog,
				  fds->config, fds->key, fds->table);
	return mem_format("%s%s", dev->turn_rss_on ? ",\"rss\":true" : "", list ? list : "");
}

bool qemu_device_changes(const struct qemu_device *dev)
{
	return dev->wants_fds || dev->turn_rss_on || dev->turn_rss_off;
}

/* All properties; those of a k=v device with their types. */
static struct json_object *props_copy(const struct qemu_device *dev, struct json_object *types)
{
	struct json_object *copy = mem_must(json_object_new_object());

	json_object_object_foreach(dev->props, name, value)
	{
		const char *type = types ? qemu_opts_get(types, name) : NULL;

		if (dev->json)
			mem_json_set(copy, name, json_object_get(value));
		else
			mem_json_set(copy, name,
				     qemu_typed_value(name, type, json_object_get_string(value)));
	}
	if (dev->turn_rss_off)
		mem_json_set(copy, "rss", json_object_new_boolean(false));
	return copy;
}

/* Inserts members before the last brace of a JSON text. */
static char *members_insert(const char *text, const char *more)
{
	const char *end = strrchr(text, '}');

	return mem_format("%.*s%s%s", (int)(end - text), text, more, end);
}

char *qemu_device_format(const struct qemu_device *dev, struct json_object *types)
{
	_cleanup_free_ char *more = additions_format(dev);
	_cleanup_json_ struct json_object *copy = NULL;

	if (dev->json && !dev->turn_rss_off)
		return members_insert(dev->json, more);
	copy = props_copy(dev, types);
	return members_insert(
		mem_json_text(copy, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), more);
}
