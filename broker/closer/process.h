/* SPDX-License-Identifier: MIT */
/*
 * The closer: a process that may block. Where the kernel cannot refuse fds from clients (before
 * Linux 6.16), closing a connection with unread input may block for as long as a client chose; the
 * front passes such a connection to the closer.
 */
#pragma once

#include "broker/common/privileges.h"

/* Forks the closer; it has no capability.  *ret_sock is the front's end of the line to it. */
int closer_start(const struct identity *id, int *ret_sock);
