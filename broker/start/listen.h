/* SPDX-License-Identifier: MIT */
/* The listening socket file.  What a service manager passes: service_manager.h. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * Connections that wait to be accepted.  Whoever connects while somebody floods
 * waits behind all of them, so they are few; a connect() that blocks waits for room.
 */
#define LISTEN_BACKLOG 128

/* How a socket file is to be made. */
struct listen_options {
	const char *path;
	mode_t mode;
	gid_t group; /* (gid_t)-1: leave it */
};

/*
 * Makes the socket file.  Replaces a stale socket of its own; refuses a live
 * one, any other kind of file, and a directory that others can write.  *ret_lock
 * keeps a second broker away while it is open.  Every refusal is logged.
 */
int listen_make(const struct listen_options *o, int *ret_sock, int *ret_lock);
