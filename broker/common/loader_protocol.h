/* SPDX-License-Identifier: MIT */
/*
 * The messages between front and loader over their socket pair. Nothing that a client sent is in
 * them.
 */
#pragma once

#include <stdint.h>

#define OBJECT_NONE UINT32_MAX /* in the first answer: ready */

/* Make one set of this object. */
struct loader_request {
	uint32_t object;
};

/* With the fds of the set, in their order, unless err says why there is none. */
struct loader_reply {
	uint32_t object;
	int32_t err;
};
