/* SPDX-License-Identifier: MIT */
/*
 * UNIX sockets that a process listens on: those that a service manager passes
 * (LISTEN_FDS), and socket files.  Must never remove a file but a dead socket.
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

/*
 * Makes room for bind(2) at an address, which is name in dir: removes the socket that no process
 * has any more.  -errno, with *ret_why where something else is there, and NULL otherwise.
 */
int stale_socket_remove(int dir, const char *name, const struct sockaddr_un *address,
			const char **ret_why);
