/* SPDX-License-Identifier: MIT */
/*
 * What a QEMU binary says of itself: it is started without a machine, asked
 * over QMP, and ended.  It runs as whoever calls, with a time limit.
 */
#pragma once

#include <stdbool.h>

#include "client/cli/qemu/qemu_object.h"

struct json_object;

struct qemu_probe {
	int major, minor;	   /* QEMU's version */
	char *target;		   /* "x86_64" */
	struct json_object *types; /* driver: { property: type }; unknown drivers are absent */
	struct json_object *
		files; /* what it had mapped (mapped_files.h); NULL: not known, or from the cache */
	struct qemu_object object; /* its steering object, or why it has none */
	bool cached;		   /* it was asked in an earlier run */
};

/*
 * Asks `binary`, found as execvp() finds it, for the properties of these
 * drivers (an array of strings, aliases included).  ret_why, on failure: what to
 * tell the user, to be freed.
 */
int qemu_probe(struct qemu_probe *ret, const char *binary, struct json_object *drivers,
	       char **ret_why);
void qemu_probe_done(struct qemu_probe *p);
