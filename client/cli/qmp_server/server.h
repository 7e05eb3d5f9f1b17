/* SPDX-License-Identifier: MIT */
/*
 * Many QMP clients in one loop.  A client that is slow, silent or hostile costs
 * its own place and nobody else's: no call waits for one, buffers are bounded,
 * and a user has only so many places.
 */
#pragma once

#include "client/cli/qmp_server/listen.h"
#include "client/cli/qmp_server/program.h"

#define QMP_PEERS_MAX		256 /* at once; more wait in the socket's queue */
#define QMP_PEERS_OF_A_USER_MAX 32

/*
 * Serves clients of the listener until SIGTERM or SIGINT; with in and out
 * (-1: none) one client, until it ends.  All fds are borrowed.
 */
void qmp_serve(const struct qmp_listener *listener, int in, int out, struct qmp_source *source);
