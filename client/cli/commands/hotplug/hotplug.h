/* SPDX-License-Identifier: MIT */
/* rssb hotplug: a NIC with its steering set for a VM that runs.  What its files share. */
#pragma once

#include <stdbool.h>

#include "proto/util/option_table.h"

struct json_object;

/* What the command line says. */
struct hotplug_options {
	const char *socket; /* the broker's; NULL: the default */
	const char *qmp;    /* QEMU's QMP socket; NULL: through libvirt */
	const char *domain; /* libvirt's name of the VM; NULL: by the QMP socket */
	const char *netdev;
	const char *tap; /* the netdev is made of this tap; NULL: QEMU has the netdev already */
	unsigned queues;
	bool vhost;	/* the netdev that is made has vhost=on */
	const char *id; /* the device's */
	const char *device;
	struct json_object *props; /* further ones: { name: text } */
	bool exact;		   /* QEMU's own object, not one of its ABI */
	bool verbose;
};

/* The rows of the options by which a VM is named. */
#define HOTPLUG_OPTIONS_VM                                                                         \
	{ "qmp", .argument = "SOCK", OPTION_TEXT(struct hotplug_options, qmp),                     \
	  .help = "QEMU's QMP socket" },                                                           \
	{                                                                                          \
		"libvirt", .argument = "DOMAIN", OPTION_TEXT(struct hotplug_options, domain),      \
			   .help = "through libvirt's monitor, by virsh (LIBVIRT_DEFAULT_URI\n"    \
				   "says which libvirt)"                                           \
	}

/*
 * Plugs the device in, or leaves QEMU as it was; what could not be undone is
 * said.  0, or CLI_FAILED with *ret_why, which is to be freed.
 */
int hotplug_plug(const struct hotplug_options *o, char **ret_why);

/* The name by which QEMU holds one of the fds that belong to a device.  To be freed. */
char *hotplug_fd_name(const struct hotplug_options *o, const char *what);

/*
 * What device_add is told; types: { property: type } of this device.  The
 * caller's reference.
 */
struct json_object *hotplug_device(const struct hotplug_options *o, struct json_object *types);

/*
 * What to do when QEMU refuses a command in these words: "" or a clause that
 * begins with a separator.
 */
const char *hotplug_advice(const char *command, const char *words);
