/* SPDX-License-Identifier: MIT */
/* Writing a QEMU command line anew. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/qemu/args.h"
#include "client/cli/util/mem.h"

/* QEMU's order of creation: these three, each in the order of the words. */
enum round { ROUND_KV, ROUND_DRIVES, ROUND_JSON, N_ROUNDS };

static enum round arg_round(const struct qemu_arg *arg)
{
	if (arg->kind == QEMU_ARG_DRIVE)
		return ROUND_DRIVES;
	return arg->device.json ? ROUND_JSON : ROUND_KV;
}

static bool arg_creates(const struct qemu_arg *arg)
{
	return arg->device.props;
}

bool qemu_args_converts(const struct qemu_args *a)
{
	for (size_t i = 0; i < a->n_args; i++)
		if (a->args[i].device.wants_fds && !a->args[i].device.json)
			return true;
	return false;
}

struct json_object *qemu_args_drivers(const struct qemu_args *a)
{
	struct json_object *drivers = mem_must(json_object_new_array());

	for (size_t i = 0; i < a->n_args; i++) {
		const struct qemu_device *dev = &a->args[i].device;

		if (a->args[i].kind == QEMU_ARG_DEVICE && (!dev->json || dev->wants_fds))
			mem_json_add(drivers, json_object_new_string(qemu_device_driver(dev)));
	}
	return drivers;
}

const char *qemu_args_obstacle(const struct qemu_args *a, const char *target)
{
	if (a->config_devices)
		return "a -readconfig file has devices, which QEMU has to make first";
	/* On x86 the default drive is no virtio device, and takes no PCI slot. */
	if (a->default_drives && strcmp(target, "x86_64") != 0 && strcmp(target, "i386") != 0)
		return "a -drive without if= may be a virtio device, which QEMU has to make first";
	return NULL;
}

/* A growing argv. */
struct words {
	char **v;
	size_t n;
};

/* Takes word, which is to be freed. */
static void words_add(struct words *w, char *word)
{
	w->v = mem_must(realloc(w->v, (w->n + 2) * sizeof(*w->v)));
	w->v[w->n++] = mem_must(word);
	w->v[w->n] = NULL;
}

static void words_copy(struct words *w, const char *word)
{
	if (word)
		words_add(w, mem_must(strdup(word)));
}

/* Goes through the devices in the order in which QEMU creates them. */
struct cursor {
	enum round round;
	size_t arg; /* the next one to look at */
};

/* As many devices as there are args that create one; NULL after the last. */
static const struct qemu_device *cursor_next(struct cursor *c, const struct qemu_args *a)
{
	for (; c->round < N_ROUNDS; c->round++, c->arg = 0)
		while (c->arg < a->n_args) {
			const struct qemu_arg *arg = &a->args[c->arg++];

			if (arg_creates(arg) && arg_round(arg) == c->round)
				return &arg->device;
		}
	return NULL;
}

static void device_write(struct words *w, const struct qemu_device *dev, struct json_object *types)
{
	struct json_object *own = NULL;

	json_object_object_get_ex(types, qemu_device_driver(dev), &own);
	words_copy(w, "-device");
	words_add(w, qemu_device_format(dev, own));
}

/* A -set that would turn vhost on again. */
static bool set_is_undone(const struct qemu_arg *arg)
{
	return arg->vhost_of && arg->vhost_of->rest;
}

/* Writes the part of an option that is not a device; a -set is among the device's properties. */
static void rest_write(struct words *w, const struct qemu_arg *arg)
{
	if (set_is_undone(arg) || arg->kind == QEMU_ARG_DEVICE || arg->kind == QEMU_ARG_SET)
		return;
	words_copy(w, arg->rest_option ? arg->rest_option : arg->option);
	words_copy(w, arg->rest ? arg->rest : arg->value);
}

/* Every word stays where it is; the places of devices are filled in order of creation. */
static void write_converted(struct words *w, const struct qemu_args *a, struct json_object *types)
{
	struct cursor cursor = { ROUND_KV, 0 };

	for (size_t i = 0; i < a->n_args; i++) {
		rest_write(w, &a->args[i]);
		if (arg_creates(&a->args[i]))
			device_write(w, cursor_next(&cursor, a), types);
	}
}

/*
 * What separates one more option from these: nothing after an odd number of commas, of which
 * the last is a separator already; two commas together are one comma of a value.
 */
static const char *comma_after(const char *options)
{
	size_t n = 0;

	for (const char *p = options; *p; p++)
		n = *p == ',' ? n + 1 : 0;
	return n % 2 ? "" : ",";
}

static void arg_write(struct words *w, const struct qemu_arg *arg)
{
	const struct qemu_device *dev = &arg->device;

	if (set_is_undone(arg) ||
	    (arg->kind == QEMU_ARG_SET && arg->sets_rss && arg->set_device->turn_rss_off))
		return;
	if (arg->kind == QEMU_ARG_NETDEV) {
		rest_write(w, arg);
		return;
	}
	words_copy(w, arg->option);
	if (dev->turn_rss_off && !dev->json) /* the last value wins */
		words_add(w, mem_format("%s%srss=off", arg->value, comma_after(arg->value)));
	else if (qemu_device_changes(dev))
		words_add(w, qemu_device_format(dev, NULL));
	else
		words_copy(w, arg->value);
}

char **qemu_args_format(const struct qemu_args *a, char *const *prefix, size_t n_prefix,
			struct json_object *types)
{
	struct words w = { 0 };

	for (size_t i = 0; i < n_prefix; i++)
		words_copy(&w, prefix[i]);
	if (qemu_args_converts(a))
		write_converted(&w, a, types);
	else
		for (size_t i = 0; i < a->n_args; i++)
			arg_write(&w, &a->args[i]);
	return w.v;
}

void qemu_argv_free(char **argv)
{
	for (size_t i = 0; argv && argv[i]; i++)
		free(argv[i]);
	free(argv);
}
