/* SPDX-License-Identifier: MIT */
/* Readers of QEMU's options: each stores what one option's value means. */
#pragma once

#include "client/cli/qemu/args.h"

/* arg->value is there; what it means goes into *arg, or into *a. */
typedef void qemu_reader(struct qemu_args *a, struct qemu_arg *arg);

/* The reader of the option of this name; NULL: its value is not looked into.  name may be NULL. */
qemu_reader *qemu_reader_of(const char *name);

/* Of the options that make devices without -device (other_devices.c). */
qemu_reader qemu_read_net, qemu_read_nic, qemu_read_config;

/* One more -global; nothing if one of the three is NULL. */
void qemu_args_global(struct qemu_args *a, const char *driver, const char *property,
		      const char *value);
