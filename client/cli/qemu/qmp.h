/* SPDX-License-Identifier: MIT */
/*
 * The client's side of QMP, over a socket.  Events are skipped, those before the
 * greeting too.  A peer that is silent, gone, never stops sending events, or is
 * no QMP server ends in an error, never in a hang.
 */
#pragma once

struct json_object;
struct qmp;

/*
 * Takes the greeting and leaves the negotiation behind.  The socket is taken
 * from *fd in any case.  timeout_ms: for each call, this one included.
 * -ETIMEDOUT, -ECONNRESET, -EPROTO: it said something else than QMP.
 */
int qmp_open(struct qmp **ret, int *fd, int timeout_ms);
struct qmp *qmp_close(struct qmp *q); /* returns NULL */

/*
 * Executes a command; arguments (NULL: none) are taken, ret_value (NULL: not
 * wanted) is the caller's.  -EREMOTEIO: QEMU refused, qmp_error() says why;
 * else as qmp_open().
 */
int qmp_execute(struct qmp *q, const char *command, struct json_object *arguments,
		struct json_object **ret_value);

/* The same; fd, which stays the caller's, goes along with the command. */
int qmp_execute_fd(struct qmp *q, const char *command, struct json_object *arguments, int fd,
		   struct json_object **ret_value);

/* Waits for an event, whichever.  0, or as qmp_open(). */
int qmp_event_wait(struct qmp *q, int timeout_ms);

/* QEMU's own words on the last refusal; never NULL. */
const char *qmp_error(const struct qmp *q);

/* QEMU's version from its greeting. */
void qmp_version(const struct qmp *q, int *ret_major, int *ret_minor);

/* Of what query-version returns; 0.0: it says none. */
void qemu_version_read(struct json_object *version, int *ret_major, int *ret_minor);
