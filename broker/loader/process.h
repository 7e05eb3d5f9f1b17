/* SPDX-License-Identifier: MIT */
/*
 * The loader: the one process with a capability.  It answers "make one set of
 * object N" and reads nothing else.
 */
#pragma once

#include "broker/common/object_list.h"
#include "broker/common/privileges.h"
#include "broker/loader/template.h"

/* What the objects' trials left, by the objects' numbers. */
struct templates {
	size_t n;
	struct template list[OBJECTS_MAX];
};

/*
 * Forks the loader, which drops its privileges; *ret_sock, the caller's, is the
 * front's end of the line to it.
 */
int loader_start(const struct templates *templates, const struct identity *id,
		 enum privileges_caps caps, int *ret_sock, pid_t *ret_pid);
