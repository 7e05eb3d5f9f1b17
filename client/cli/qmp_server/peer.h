/* SPDX-License-Identifier: MIT */
/*
 * One client of the QMP server: bytes in, one answer at a time out.  While an
 * answer waits to be read nothing is read from the client, so that what it can
 * make the server hold is bounded: an input buffer, a message, an answer.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#include "client/cli/qmp_server/session.h"

struct qmp_peer;

/*
 * A client that is greeted.  in and out may be the same fd and are borrowed
 * until qmp_peer_free().  Only one that never blocks may share a loop with others.
 */
struct qmp_peer *qmp_peer_new(int in, int out, struct qmp_source *source);
struct qmp_peer *qmp_peer_free(struct qmp_peer *p); /* returns NULL */

/* What to wait for; false: there is work already. */
bool qmp_peer_wait(const struct qmp_peer *p, struct pollfd *ret);

/* Does a little: at most one read, one answer, one write.  false: it is over. */
bool qmp_peer_work(struct qmp_peer *p);
