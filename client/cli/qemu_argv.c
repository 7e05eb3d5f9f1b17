/* SPDX-License-Identifier: MIT */
/* Writing a QEMU command line anew. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "qemu_args.h"

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
			json_object_array_add(
				drivers, mem_must(json_object_new_string(qemu_device_driver(dev))));
	}
	return drivers;
}

const char *qemu_args_obstacle(const struct qemu_args *a, const char *target)
{
	if (a->reads_config)
		return "-readconfig may hold devices that have to come first";
	/* There the default drive is no virtio device that takes a slot. */
	if (a->default_drives && strcmp(target, "x86_64") != 0 && strcmp(target, "i386") != 0)
		return "a drive without if= may be a virtio device that has to come first";
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

/* The devices in the order in which QEMU creates them; as many as there are args at most. */
static const struct qemu_device **creation_order(const struct qemu_args *a)
{
	const struct qemu_device **order = mem_new(a->n_args, sizeof(*order));
	size_t n = 0;

	for (enum round round = ROUND_KV; round < N_ROUNDS; round++)
		for (size_t i = 0; i < a->n_args; i++)
			if (arg_creates(&a->args[i]) && arg_round(&a->args[i]) == round)
				order[n++] = &a->args[i].device;
	return order;
}

static void device_write(struct words *w, const struct qemu_device *dev, struct json_object *types)
{
	struct json_object *own = NULL;

	json_object_object_get_ex(types, qemu_device_driver(dev), &own);
	words_copy(w, "-device");
	words_add(w, qemu_device_format(dev, own));
}

/* What of an option is not a device. */
static void rest_write(struct words *w, const struct qemu_arg *arg)
{
	switch (arg->kind) {
	case QEMU_ARG_OTHER:
		words_copy(w, arg->option);
		words_copy(w, arg->value);
		break;
	case QEMU_ARG_DRIVE:
		words_copy(w, "-drive");
		words_copy(w, arg->rest);
		break;
	case QEMU_ARG_VIRTFS:
		words_copy(w, "-fsdev");
		words_copy(w, arg->rest);
		break;
	case QEMU_ARG_DEVICE:
	case QEMU_ARG_SET: /* is among the device's properties */
		break;
	}
}

/* Every word stays where it is; the places of devices are filled in order of creation. */
static void write_converted(struct words *w, const struct qemu_args *a, struct json_object *types)
{
	const struct qemu_device **order = creation_order(a);
	size_t next = 0;

	for (size_t i = 0; i < a->n_args; i++) {
		rest_write(w, &a->args[i]);
		if (arg_creates(&a->args[i]))
			device_write(w, order[next++], types);
	}
	free(order);
}

static void write_in_place(struct words *w, const struct qemu_args *a)
{
	for (size_t i = 0; i < a->n_args; i++) {
		const struct qemu_arg *arg = &a->args[i];

		words_copy(w, arg->option);
		if (arg->device.wants_fds || arg->device.turn_rss_on)
			words_add(w, qemu_device_format(&arg->device, NULL));
		else
			words_copy(w, arg->value);
	}
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
		write_in_place(&w, a);
	return w.v;
}

void qemu_argv_free(char **argv)
{
	for (size_t i = 0; argv && argv[i]; i++)
		free(argv[i]);
	free(argv);
}
