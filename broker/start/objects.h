/* SPDX-License-Identifier: MIT */
/* Reads the objects: from this very binary, and from the administrator's directory. */
#pragma once

#include "broker/common/object.h"

/* Takes the built-in objects and computes their ids.  -errno: the CPUs cannot be counted. */
int objects_init(struct objects *ret);

/*
 * Adds each *.bpf.o of a directory (object_file.h) that has the right shape; one
 * that has not is left out, with a log line.  -errno: the directory is refused.
 */
int objects_read(struct objects *o, const char *directory);
