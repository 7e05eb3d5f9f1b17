/* SPDX-License-Identifier: MIT */
/* What the value of an option means to the command line it is in. */
#pragma once

#include "client/cli/qemu/args.h"

/* arg->value is there; what it means goes into *arg, or into *a. */
typedef void qemu_reader(struct qemu_args *a, struct qemu_arg *arg);

/* NULL: an option (NULL: none at all) that is not looked into. */
qemu_reader *qemu_reader_of(const char *name);
