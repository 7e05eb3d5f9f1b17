/* SPDX-License-Identifier: MIT */
/*
 * The loader: the one process with a capability.  It answers "make one set of
 * object N" and reads nothing else.
 */
#pragma once

#include "broker/common/object.h"
#include "broker/common/privileges.h"

/*
 * Forks the loader.  It drops its privileges and loads every object before it
 * answers; *ret_sock, the caller's, is the front's end of the line to it.
 */
int loader_start(const struct objects *objects, const struct identity *id,
		 enum privileges_caps caps, int *ret_sock, pid_t *ret_pid);
