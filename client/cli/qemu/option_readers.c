/* SPDX-License-Identifier: MIT */
/* Reading QEMU's options, one reader each. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/qemu/opts.h"
#include "client/cli/qemu/option_readers.h"
#include "client/cli/util/mem.h"

static void device_read(struct qemu_args *a, struct qemu_arg *arg)
{
	if (arg->value[0] != '{' && qemu_opts_asks_help(arg->value))
		a->asks_help = true;
	if (qemu_device_init(&arg->device, arg->value)) {
		arg->kind = QEMU_ARG_DEVICE;
		return;
	}
	free(a->unread);
	a->unread = mem_format("-device %.40s... is no JSON object", arg->value);
}

/* A later one wins over all that came before. */
void qemu_args_global(struct qemu_args *a, const char *driver, const char *property,
		      const char *value)
{
	_cleanup_free_ char *key = NULL;

	if (!driver || !property || !value)
		return;
	key = mem_format("%s.%s", driver, property);
	json_object_object_del(a->globals, key);
	mem_json_set_string(a->globals, key, value);
}

/* "driver.prop=value", or "driver=...,property=...,value=...". */
static void global_read(struct qemu_args *a, struct qemu_arg *arg)
{
	size_t name = strcspn(arg->value, ".=");
	_cleanup_json_ struct json_object *opts = NULL;

	if (arg->value[name] == '.' && strchr(arg->value + name, '=')) {
		_cleanup_free_ char *driver = mem_must(strndup(arg->value, name));
		const char *property = arg->value + name + 1;
		_cleanup_free_ char *only = mem_must(strndup(property, strcspn(property, "=")));

		qemu_args_global(a, driver, only, strchr(property, '=') + 1);
		return;
	}
	opts = qemu_opts_parse(arg->value, NULL);
	qemu_args_global(a, qemu_opts_get(opts, "driver"), qemu_opts_get(opts, "property"),
			 qemu_opts_get(opts, "value"));
}

static bool has_id(const struct qemu_device *dev, const char *id)
{
	const char *own = qemu_opts_get(dev->props, "id");

	return own && strcmp(own, id) == 0;
}

static struct qemu_device *device_by_id(struct qemu_args *a, const char *id)
{
	for (size_t i = 0; i < a->n_args; i++) {
		struct qemu_device *dev = &a->args[i].device;

		if (a->args[i].kind == QEMU_ARG_DEVICE && !dev->json && has_id(dev, id))
			return dev;
	}
	for (size_t i = 0; i < a->n_others; i++)
		if (has_id(&a->others[i].device, id))
			return &a->others[i].device;
	return NULL;
}

static void device_set(struct qemu_args *a, struct qemu_arg *arg, const char *id, const char *prop,
		       const char *value)
{
	struct qemu_device *dev = device_by_id(a, id);

	if (!dev)
		return;
	mem_json_set_string(dev->props, prop, value);
	if (dev->is_other)
		return;
	arg->kind = QEMU_ARG_SET;
	arg->set_device = dev;
	arg->sets_rss = strcmp(prop, "rss") == 0;
}

/* -set of a netdev.  QEMU applies none to a netdev in JSON. */
static void netdev_set(struct qemu_args *a, struct qemu_arg *arg, const char *id, const char *prop,
		       const char *value)
{
	for (size_t i = 0; i < a->n_args; i++) {
		struct qemu_arg *it = &a->args[i];

		if (it->kind != QEMU_ARG_NETDEV || it->value[0] == '{' ||
		    strcmp(qemu_opts_get(it->netdev, "id"), id) != 0)
			continue;
		mem_json_set_string(it->netdev, prop, value);
		if (strncmp(prop, "vhost", 5) == 0)
			arg->vhost_of = it;
	}
}

/*
 * "GROUP.ID.PROP=VALUE" changes an option that came before it: QEMU applies -set to no later
 * one.
 */
static void set_read(struct qemu_args *a, struct qemu_arg *arg)
{
	char group[64], id[64], prop[64]; /* QEMU's own limits */
	int end = 0;

	sscanf(arg->value, "%63[^.].%63[^.=].%63[^=]=%n", group, id, prop, &end);
	if (!end)
		return;
	if (strcmp(group, "device") == 0)
		device_set(a, arg, id, prop, arg->value + end);
	else if (strcmp(group, "netdev") == 0)
		netdev_set(a, arg, id, prop, arg->value + end);
}

/* The number that QEMU names a virtio drive by if it has no id; -1: it is not one. */
static long drive_number(const struct qemu_args *a, struct json_object *opts)
{
	const char *given = qemu_opts_get(opts, "index");
	char *end;
	long n = 0;

	given = given ? given : qemu_opts_get(opts, "unit");
	if (given) {
		n = strtol(given, &end, 0);
		return *end || end == given ? -1 : n;
	}
	for (size_t i = 0; i < a->n_args; i++) /* the first that is free */
		if (a->args[i].kind == QEMU_ARG_DRIVE && a->args[i].drive_number == n) {
			n++;
			i = -1;
		}
	return n;
}

/* Splits -drive if=virtio into a drive with an id and the device that QEMU would make of it. */
static void drive_read(struct qemu_args *a, struct qemu_arg *arg)
{
	_cleanup_json_ struct json_object *opts = qemu_opts_parse(arg->value, NULL);
	const char *interface = qemu_opts_get(opts, "if");
	_cleanup_free_ char *id = NULL;

	if (!interface)
		a->default_drives = true;
	if (!interface || strcmp(interface, "virtio") != 0)
		return;
	arg->drive_number = drive_number(a, opts);
	if (arg->drive_number < 0)
		return; /* QEMU will refuse it */
	id = mem_format("virtio%ld", arg->drive_number);
	if (!qemu_opts_get(opts, "id"))
		mem_json_set_string(opts, "id", id);
	mem_json_set_string(opts, "if", "none");
	json_object_object_del(opts, "index");
	json_object_object_del(opts, "unit");
	json_object_object_del(opts, "bus");
	arg->kind = QEMU_ARG_DRIVE;
	arg->device.props = mem_must(json_object_new_object());
	mem_json_set_string(arg->device.props, "driver", "virtio-blk");
	mem_json_set_string(arg->device.props, "drive", qemu_opts_get(opts, "id"));
	arg->rest_option = "-drive";
	arg->rest = qemu_opts_format(opts, NULL);
}

static void virtfs_read(struct qemu_args *a, struct qemu_arg *arg)
{
	_cleanup_json_ struct json_object *opts = qemu_opts_parse(arg->value, "fsdriver");
	_cleanup_free_ char *tag = NULL;

	if (!qemu_opts_get(opts, "mount_tag"))
		return;
	tag = mem_must(strdup(qemu_opts_get(opts, "mount_tag")));
	json_object_object_del(opts, "mount_tag");
	if (!qemu_opts_get(opts, "id"))
		mem_json_set_string(opts, "id", tag);
	arg->kind = QEMU_ARG_VIRTFS;
	arg->device.props = mem_must(json_object_new_object());
	mem_json_set_string(arg->device.props, "driver", "virtio-9p-pci");
	mem_json_set_string(arg->device.props, "fsdev", qemu_opts_get(opts, "id"));
	mem_json_set_string(arg->device.props, "mount_tag", tag);
	arg->rest_option = "-fsdev";
	arg->rest = qemu_opts_format(opts, "fsdriver");
}

/* "tap,id=n0,..." or JSON. */
static void netdev_read(struct qemu_args *a, struct qemu_arg *arg)
{
	bool json = arg->value[0] == '{';
	_cleanup_json_ struct json_object *netdev = json ? json_tokener_parse(arg->value)
							 : qemu_opts_parse(arg->value, "type");
	const char *id = qemu_opts_get(netdev, "id");

	if (!id)
		return;
	mem_json_set(a->netdevs, id, json_object_get(netdev));
	arg->kind = QEMU_ARG_NETDEV;
	arg->netdev = netdev;
}

qemu_reader *qemu_reader_of(const char *name)
{
	static const struct {
		const char *name;
		qemu_reader *read;
	} readers[] = {
		{ "device", device_read },	    { "drive", drive_read },
		{ "global", global_read },	    { "netdev", netdev_read },
		{ "net", qemu_read_net },	    { "nic", qemu_read_nic },
		{ "readconfig", qemu_read_config }, { "set", set_read },
		{ "virtfs", virtfs_read },
	};

	for (size_t i = 0; name && i < sizeof(readers) / sizeof(readers[0]); i++)
		if (strcmp(name, readers[i].name) == 0)
			return readers[i].read;
	return NULL;
}
