/* SPDX-License-Identifier: MIT */
/* The socket that the QMP server listens on: of its own making, or a service manager's. */
#pragma once

#include <sys/types.h>

/* Owns fd, and removes the socket file if it made one. */
struct qmp_listener {
	int fd;		  /* -1: none */
	const char *path; /* borrowed; NULL: it made no socket file */
	dev_t dev;
	ino_t ino;
};
#define QMP_LISTENER_INIT                                                                          \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/*
 * Makes the socket at path with the mode that umask leaves.  A dead socket there
 * is replaced, anything else left alone.  CLI_OK, or CLI_FAILED after saying why.
 */
int qmp_listener_open(struct qmp_listener *ret, const char *path);
void qmp_listener_done(struct qmp_listener *l);

/*
 * Takes the one socket that was passed: a listener (Accept=no), or a connection
 * (Accept=yes), which comes back in *ret_connection.  0, also if none was passed, or
 * CLI_FAILED after saying why.
 */
int qmp_activation_take(struct qmp_listener *ret, int *ret_connection);

/* A connection, and whose: 0, or -errno. */
int qmp_listener_accept(const struct qmp_listener *l, int *ret_fd, uid_t *ret_uid);
