/* SPDX-License-Identifier: MIT */
/*
 * A client of QEMU's QMP monitor, over a socket (qmp_server/ is the other side, for rssb qmp).
 * Events are skipped, those before the greeting too.  A peer that is silent, gone, never stops
 * sending events, or is no QMP server ends in an error, never in a hang.
 */
#pragma once

struct json_object;
struct qmp_client;

/*
 * Takes the greeting and leaves the negotiation behind.  The socket is taken
 * from *fd in any case.  timeout_ms: for each call, this one included.
 * -ETIMEDOUT, -ECONNRESET, -EPROTO: it said something else than QMP.
 */
int qmp_client_open(struct qmp_client **ret, int *fd, int timeout_ms);
struct qmp_client *qmp_client_close(struct qmp_client *q); /* returns NULL */

/*
 * Executes a command; arguments (NULL: none) are taken, ret_value (NULL: not
 * wanted) is the caller's.  -EREMOTEIO: QEMU refused, qmp_client_error() says why;
 * else as qmp_client_open().
 */
int qmp_client_execute(struct qmp_client *q, const char *command, struct json_object *arguments,
		       struct json_object **ret_value);

/* The same; fd, which stays the caller's, goes along with the command. */
int qmp_client_execute_fd(struct qmp_client *q, const char *command, struct json_object *arguments,
			  int fd, struct json_object **ret_value);

/* Waits for an event, whichever.  0, or as qmp_client_open(). */
int qmp_client_event_wait(struct qmp_client *q, int timeout_ms);

/* QEMU's own words on the last refusal; never NULL. */
const char *qmp_client_error(const struct qmp_client *q);

/* QEMU's version from its greeting. */
void qmp_client_version(const struct qmp_client *q, int *ret_major, int *ret_minor);

/* Of what query-version returns; 0.0: it says none. */
void qemu_version_read(struct json_object *version, int *ret_major, int *ret_minor);
