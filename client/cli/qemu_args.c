/* SPDX-License-Identifier: MIT */
/* Reading a QEMU command line, and finding what needs fds in it. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "qemu_args.h"
#include "qemu_opts.h"

/* Options without a value: the word after them is another option, or a disk image. */
static const char *const flags[] = {
	"S",
	"alt-grab",
	"async-teardown",
	"audio-help",
	"ctrl-grab",
	"curses",
	"daemonize",
	"enable-fips",
	"enable-kvm",
	"enable-sync-profile",
	"full-screen",
	"h",
	"help",
	"jitdump",
	"mem-prealloc",
	"no-acpi",
	"no-fd-bootchk",
	"no-hpet",
	"no-quit",
	"no-reboot",
	"no-shutdown",
	"no-user-config",
	"nodefaults",
	"nographic",
	"old-param",
	"only-migratable",
	"perfmap",
	"portrait",
	"preconfig",
	"s",
	"sdl",
	"semihosting",
	"show-cursor",
	"singlestep",
	"snapshot",
	"usb",
	"version",
	"win2k-hack",
	"xen-attach",
	"xen-domid-restrict",
};

/* Options whose value may well look like "-device". */
static const char *const free_text[] = {
	"append",
	"name",
};

/* Options with which a drive gets the interface that the machine prefers. */
static const char *const default_drives[] = {
	"cdrom", "hda", "hdb", "hdc", "hdd",
};

#define IS_ONE_OF(name, list) is_one_of(name, list, sizeof(list) / sizeof((list)[0]))

static bool is_one_of(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, list[i]) == 0)
			return true;
	return false;
}

/* "-device" and "--device" are the same; NULL: not an option. */
static const char *option_name(const char *word)
{
	if (word[0] != '-' || !word[1])
		return NULL;
	return word + 1 + (word[1] == '-');
}

static void device_read(struct qemu_args *a, struct qemu_arg *arg)
{
	if (arg->value[0] != '{' && qemu_opts_asks_help(arg->value))
		a->asks_help = true;
	if (qemu_device_init(&arg->device, arg->value))
		arg->kind = QEMU_ARG_DEVICE;
}

/* "driver.prop=value", or "driver=...,property=...,value=...". */
static void global_read(struct qemu_args *a, struct qemu_arg *arg)
{
	size_t name = strcspn(arg->value, ".=");
	_cleanup_json_ struct json_object *opts = NULL;
	_cleanup_free_ char *key = NULL;

	if (arg->value[name] == '.' && strchr(arg->value + name, '=')) {
		const char *equals = strchr(arg->value + name, '=');

		key = mem_must(strndup(arg->value, equals - arg->value));
		mem_json_set_string(a->globals, key, equals + 1);
		return;
	}
	opts = qemu_opts_parse(arg->value, NULL);
	if (!qemu_opts_get(opts, "driver") || !qemu_opts_get(opts, "property") ||
	    !qemu_opts_get(opts, "value"))
		return;
	key = mem_format("%s.%s", qemu_opts_get(opts, "driver"), qemu_opts_get(opts, "property"));
	mem_json_set_string(a->globals, key, qemu_opts_get(opts, "value"));
}

static struct qemu_device *device_by_id(struct qemu_args *a, const char *id, size_t length)
{
	for (size_t i = 0; i < a->n_args; i++) {
		struct qemu_device *dev = &a->args[i].device;
		const char *own;

		if (a->args[i].kind != QEMU_ARG_DEVICE || dev->json)
			continue;
		own = qemu_opts_get(dev->props, "id");
		if (own && strlen(own) == length && strncmp(own, id, length) == 0)
			return dev;
	}
	return NULL;
}

/* "device.ID.prop=value" of a device that was there before: QEMU sees no other. */
static void set_read(struct qemu_args *a, struct qemu_arg *arg)
{
	static const char group[] = "device.";
	const char *id = arg->value + sizeof(group) - 1;
	_cleanup_free_ char *prop = NULL;
	struct qemu_device *dev;
	const char *dot, *equals;

	if (strncmp(arg->value, group, sizeof(group) - 1) != 0)
		return;
	dot = id + strcspn(id, ".=");
	equals = strchr(dot, '=');
	if (*dot != '.' || !equals)
		return;
	dev = device_by_id(a, id, dot - id);
	if (!dev)
		return;
	prop = mem_must(strndup(dot + 1, equals - dot - 1));
	mem_json_set_string(dev->props, prop, equals + 1);
	arg->kind = QEMU_ARG_SET;
}

/* The number that QEMU names a virtio drive by if it has no id; -1: it is not one. */
static long drive_number(const struct qemu_args *a, struct json_object *opts)
{
	const char *given = qemu_opts_get(opts, "index");
	_cleanup_free_ char *name = NULL;
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

/* Its own half with an id, and the device that QEMU would make of the other. */
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
	arg->rest = qemu_opts_format(opts, "fsdriver");
}

static void readconfig_read(struct qemu_args *a, struct qemu_arg *arg)
{
	a->reads_config = true;
}

static const struct reader {
	const char *name;
	void (*read)(struct qemu_args *a, struct qemu_arg *arg);
} readers[] = {
	{ "device", device_read },	   { "drive", drive_read }, { "global", global_read },
	{ "readconfig", readconfig_read }, { "set", set_read },	    { "virtfs", virtfs_read },
};

static const struct reader *reader_of(const char *name)
{
	for (size_t i = 0; name && i < sizeof(readers) / sizeof(readers[0]); i++)
		if (strcmp(name, readers[i].name) == 0)
			return &readers[i];
	return NULL;
}

/* An option that a newer QEMU may have without a value must not swallow a -device. */
static bool takes_value(const char *name, const char *next)
{
	if (!next || IS_ONE_OF(name, flags))
		return false;
	return reader_of(name) || IS_ONE_OF(name, free_text) || !reader_of(option_name(next));
}

/* Reads the option at words[0]; returns how many words it takes. */
static size_t arg_read(struct qemu_args *a, char *const *words)
{
	struct qemu_arg *arg = &a->args[a->n_args++];
	const char *name = option_name(words[0]);
	const struct reader *reader = reader_of(name);

	*arg = (struct qemu_arg){ .option = words[0] };
	a->default_drives |= !name || IS_ONE_OF(name, default_drives);
	if (!name || !takes_value(name, words[1]))
		return 1;
	arg->value = words[1];
	if (reader)
		reader->read(a, arg);
	return 2;
}

void qemu_args_init(struct qemu_args *a, char *const *argv)
{
	size_t n = 0;

	while (argv[n])
		n++;
	*a = (struct qemu_args){
		.args = mem_new(n, sizeof(*a->args)),
		.globals = mem_must(json_object_new_object()),
	};
	for (size_t i = 0; i < n;)
		i += arg_read(a, argv + i);
}

void qemu_args_done(struct qemu_args *a)
{
	for (size_t i = 0; i < a->n_args; i++) {
		qemu_device_done(&a->args[i].device);
		free(a->args[i].rest);
	}
	free(a->args);
	json_object_put(a->globals);
	*a = (struct qemu_args){ 0 };
}

void qemu_args_each_device(struct qemu_args *a, void (*visit)(struct qemu_device *dev, void *ctx),
			   void *ctx)
{
	for (size_t i = 0; i < a->n_args; i++)
		if (a->args[i].kind == QEMU_ARG_DEVICE)
			visit(&a->args[i].device, ctx);
}

struct selection {
	struct json_object *globals;
	bool all_multiqueue;
	size_t rss, wanting;
};

static void device_select(struct qemu_device *dev, void *ctx)
{
	struct selection *s = ctx;
	enum qemu_flag rss;

	if (!qemu_device_is_virtio_net(dev))
		return;
	rss = qemu_device_flag(dev, s->globals, "rss");
	if (rss == QEMU_UNSAID && s->all_multiqueue &&
	    qemu_device_flag(dev, s->globals, "mq") == QEMU_ON) {
		dev->turn_rss_on = true;
		rss = QEMU_ON;
	}
	if (rss != QEMU_ON)
		return;
	s->rss++;
	if (qemu_device_has_fds(dev))
		return;
	dev->wants_fds = true;
	s->wanting++;
}

size_t qemu_args_select(struct qemu_args *a, bool all_multiqueue, size_t *ret_rss)
{
	struct selection s = { .globals = a->globals, .all_multiqueue = all_multiqueue };

	qemu_args_each_device(a, device_select, &s);
	if (ret_rss)
		*ret_rss = s.rss;
	return s.wanting;
}
