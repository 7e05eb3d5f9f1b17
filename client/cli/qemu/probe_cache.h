/* SPDX-License-Identifier: MIT */
/*
 * What QEMU binaries said when they were asked before.  A binary is asked again when any file
 * changed that it had mapped then (itself, libraries, modules of QEMU), when a driver is new, and
 * always if it is a script: what that runs may change.
 */
#pragma once

#include "client/cli/qemu/probe.h"

/* As qemu_probe(), which is called if the cache has no answer; drivers may then be added to. */
int qemu_probe_cached(struct qemu_probe *ret, const char *binary, struct json_object *drivers,
		      char **ret_why);
