/* SPDX-License-Identifier: MIT */
/*
 * Devices that QEMU makes of other options than -device: -nic, -net nic, and those in the
 * file of -readconfig.  They cannot be given fds; they are read so that nobody is told that
 * there are none.
 */
#pragma once

#include "client/cli/qemu/device.h"

struct qemu_args;
struct qemu_arg;

struct qemu_hidden {
	char *where;		   /* "-nic", "-readconfig FILE" */
	struct qemu_device device; /* without a driver if QEMU's default is not known */
};

/* Readers (readers.h) of the three options. */
void qemu_hidden_nic(struct qemu_args *a, struct qemu_arg *arg);
void qemu_hidden_net(struct qemu_args *a, struct qemu_arg *arg);
void qemu_hidden_config(struct qemu_args *a, struct qemu_arg *arg);

void qemu_hidden_done(struct qemu_hidden *hidden);

/* The first virtio-net device of these with the property on; NULL: none. */
const struct qemu_hidden *qemu_hidden_find(const struct qemu_args *a, const char *property);

/* "net0 of -readconfig FILE"; to be freed. */
char *qemu_hidden_describe(const struct qemu_hidden *hidden);
