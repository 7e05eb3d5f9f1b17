/* SPDX-License-Identifier: MIT */
/* Readers of QEMU's options: each stores what one option's value means. */
#pragma once

#include "client/cli/qemu/args.h"

/* arg->value is there; what it means goes into *arg, or into *a. */
typedef void qemu_reader(struct qemu_args *a, struct qemu_arg *arg);

/* The reader of the option of this name; NULL: its value is not looked into.  name may be NULL. */
qemu_reader *qemu_reader_of(const char *name);
