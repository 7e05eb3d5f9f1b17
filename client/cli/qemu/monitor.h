/* SPDX-License-Identifier: MIT */
/*
 * QEMU's monitor: QMP over a socket, or through libvirt when that owns it (qmp_server/ is the other
 * side, for rssb qmp).  Events are skipped, those before the greeting too.
 */
#pragma once

#include <sys/types.h>

struct json_object;
struct monitor;

/*
 * The one of both that is not NULL: a QMP socket's path, or a libvirt domain.
 * Returns NULL with *ret_why, which is to be freed, on failure.
 */
struct monitor *monitor_open(const char *qmp, const char *domain, char **ret_why);

/*
 * Over a connected socket, which is taken from *fd in any case.  timeout_ms: of each command.
 * -ETIMEDOUT, -ECONNRESET, -EPROTO: it said something else than QMP.
 */
int monitor_open_fd(struct monitor **ret, int *fd, int timeout_ms);
struct monitor *monitor_close(struct monitor *m); /* returns NULL */

/*
 * From now on all commands together have so long, besides the limit of each.  When it is over a
 * command is still sent over a socket, but its answer is not waited for.
 */
void monitor_limit(struct monitor *m, int all_ms);

/* The process that made the socket; 0: not known, or it is libvirt's. */
pid_t monitor_pid(const struct monitor *m);

/*
 * Executes a command, with fd unless that is -1; fd stays the caller's, and what getfd gives to
 * QEMU stays there by name.  arguments (NULL: none) are taken, ret_value (NULL: not wanted) is the
 * caller's.  -EREMOTEIO: QEMU refused; anything else: it cannot be asked.
 */
int monitor_execute(struct monitor *m, const char *command, struct json_object *arguments, int fd,
		    struct json_object **ret_value);

/*
 * Waits until something may have changed in QEMU: for its next event, or, through
 * libvirt, which passes none on, a moment.  Events that came before the last answer
 * are gone: ask first, then wait.  0, -ETIMEDOUT, or it cannot be asked any more.
 */
int monitor_wait(struct monitor *m, int timeout_ms);

/* Why the last command failed: QEMU's own words, or what is wrong with the connection. */
const char *monitor_why(const struct monitor *m);

/* QEMU's version from its greeting; 0.0: through libvirt, which passes none on. */
void monitor_version(const struct monitor *m, int *ret_major, int *ret_minor);

/* Of what query-version returns; 0.0: it says none. */
void qemu_version_read(struct json_object *version, int *ret_major, int *ret_minor);
