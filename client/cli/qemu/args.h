/* SPDX-License-Identifier: MIT */
/*
 * A QEMU command line: read, given the fds it needs, and written again.
 *
 * fds can be given to a device in JSON only, and QEMU creates all k=v devices
 * before all JSON ones.  So if a k=v device needs fds every k=v device becomes
 * JSON, in QEMU's own order of creation: then each keeps its PCI slot.  If only
 * JSON devices need them nothing else changes.
 *
 * It opens no file but that of -readconfig, runs nothing, and prints nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "client/cli/qemu/device.h"

struct json_object;

enum qemu_arg_kind {
	QEMU_ARG_OTHER,	 /* one word, or two with a value that is not looked into */
	QEMU_ARG_DEVICE, /* -device */
	QEMU_ARG_DRIVE,	 /* -drive if=virtio: a drive, and a k=v device after all others */
	QEMU_ARG_VIRTFS, /* -virtfs: an fsdev, and a k=v device in its place */
	QEMU_ARG_NETDEV, /* -netdev with an id */
	QEMU_ARG_SET,	 /* -set device.ID.PROP=VALUE of a k=v device */
};

/* One option with its value, if it has one. */
struct qemu_arg {
	enum qemu_arg_kind kind;
	const char *option;		/* borrowed, like all that came with argv */
	const char *value;		/* NULL: none */
	struct qemu_device device;	/* DEVICE, DRIVE, VIRTFS: what QEMU creates */
	const char *rest_option;	/* DRIVE, VIRTFS: what takes the option's place */
	char *rest;			/* DRIVE, VIRTFS: the value without the device;
					   NETDEV: with vhost off, NULL: as it was */
	struct json_object *netdev;	/* NETDEV: what it says; borrowed */
	long drive_number;		/* DRIVE */
	struct qemu_device *set_device; /* SET: whose property it sets */
	bool sets_rss;			/* SET: and that is rss */
	struct qemu_arg *vhost_of;	/* OTHER, a -set: the NETDEV whose vhost it sets */
};

/*
 * A device that QEMU makes of another option than -device: -nic, -net nic, or one in the file of
 * -readconfig.  It cannot be given fds; it is read so that a user who has one is told why not.
 */
struct qemu_other_device {
	char *where;		   /* "-nic", "-readconfig FILE" */
	struct qemu_device device; /* without a driver if QEMU's default is not known */
};

struct qemu_args {
	struct qemu_arg *args;
	size_t n_args;
	struct json_object *globals; /* "driver.prop": value, of every -global, in their order */
	struct json_object *netdevs; /* id: what -netdev says, of every one with an id */
	bool asks_help;		     /* QEMU will print something and exit */
	struct qemu_other_device *others;
	size_t n_others;
	bool config_devices; /* -readconfig: it has devices, or could not be read */
	char *unread;	     /* and then why; NULL: it was */
	bool default_drives; /* drives whose interface is the machine's default */
};

/* Reads QEMU's arguments (its own name is not one of them), ended by NULL. */
void qemu_args_init(struct qemu_args *a, char *const *argv);
void qemu_args_done(struct qemu_args *a);

/* The -device that could be read after this one, NULL: the first of all; NULL: there is none. */
struct qemu_device *qemu_args_next_device(const struct qemu_args *a, const struct qemu_device *dev);

/*
 * Marks what needs fds: virtio-net devices with rss on that have none yet.
 * all_multiqueue: turns rss on first where mq is on and rss is not mentioned.
 * ret_rss: how many have rss on, with fds or without.
 * Returns how many need fds.
 */
size_t qemu_args_select(struct qemu_args *a, bool all_multiqueue, size_t *ret_rss);

/*
 * Marks the devices whose taps the host is to steer: virtio-net with mq on and without fds (a
 * device with fds attaches a program of its own).  rss is turned off where it is on.  Returns
 * how many are marked.
 */
size_t qemu_args_select_host(struct qemu_args *a);

/* The first virtio-net device of the others with the property on; NULL: none. */
const struct qemu_other_device *qemu_args_other_find(const struct qemu_args *a,
						     const char *property);

/* "net0 of -readconfig FILE"; to be freed. */
char *qemu_other_device_describe(const struct qemu_other_device *other);

/* What -netdev says of the device's; NULL: there is none. */
struct json_object *qemu_args_netdev(const struct qemu_args *a, const struct qemu_device *dev);

/* Turns vhost off at the device's netdev, which has one. */
void qemu_args_turn_vhost_off(struct qemu_args *a, const struct qemu_device *dev);

/* Whether k=v devices have to become JSON, now that some are marked. */
bool qemu_args_converts(const struct qemu_args *a);

/* Drivers whose property types qemu_args_format() needs, as an array of strings. */
struct json_object *qemu_args_drivers(const struct qemu_args *a);

/*
 * Why the devices cannot be turned in an order that keeps every slot; NULL: they
 * can.  target: QEMU's architecture, "x86_64".
 */
const char *qemu_args_obstacle(const struct qemu_args *a, const char *target);

/*
 * The new arguments, after `prefix`, ended by NULL: to be freed with
 * qemu_argv_free().  types: driver to property to type; needed if
 * qemu_args_converts().
 */
char **qemu_args_format(const struct qemu_args *a, char *const *prefix, size_t n_prefix,
			struct json_object *types);
void qemu_argv_free(char **argv);
