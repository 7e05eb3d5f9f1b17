/* SPDX-License-Identifier: MIT */
/*
 * UNIX sockets that a process listens on: those that a service manager passes
 * (LISTEN_FDS), and whether a socket file is in use.  Must never remove a file.
 */
#pragma once

#include <stdbool.h>
#include <sys/un.h>

#define LISTEN_FDS_FIRST 3
#define LISTEN_FDS_MAX	 1024

/*
 * How many sockets a service manager passed to this process, from LISTEN_FDS_FIRST
 * on; 0 if LISTEN_PID names another process.  -EINVAL: LISTEN_FDS is no number from
 * 0 to LISTEN_FDS_MAX, or LISTEN_PID is no process id; *ret_why names the variable.
 */
int listen_fds_count(const char **ret_why);

/*
 * Sets up a passed socket: close-on-exec, non-blocking, no fds from clients.
 * -EINVAL: it is no UNIX socket of this type; or -errno of fcntl(2).
 */
int listen_fd_take(int fd, int type);

/* Whether a socket listens for connections. */
bool socket_is_listening(int fd);

/* -ENAMETOOLONG: a path has 1 to 107 bytes. */
int unix_address_init(struct sockaddr_un *ret, const char *path);

/* Whether a process has a socket of any type at that address.  True if that cannot be found out. */
bool unix_address_is_live(const struct sockaddr_un *address);
