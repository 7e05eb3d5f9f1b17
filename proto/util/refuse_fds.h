/* SPDX-License-Identifier: MIT */
/*
 * SO_PASSRIGHTS (Linux 6.16): whether a socket takes fds from its peers.  A
 * connection inherits it from the listener that accepted it.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* Lets the kernel refuse fds at their sender.  -ENOPROTOOPT before Linux 6.16. */
static inline int socket_refuse_fds(int sock)
{
	const int off = 0;

	return setsockopt(sock, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)) ? -errno : 0;
}

/* Whether the kernel has refused them since sock was made: then none is queued in it. */
static inline bool socket_refuses_fds(int sock)
{
	int passes = 1;
	socklen_t len = sizeof(passes);

	return !getsockopt(sock, SOL_SOCKET, SO_PASSRIGHTS, &passes, &len) && !passes;
}
