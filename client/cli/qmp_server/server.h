/* SPDX-License-Identifier: MIT */
/*
 * Many QMP clients, a process each: one that is slow, silent or hostile costs
 * its own process and nobody else's, and a user has only so many.
 */
#pragma once

#include "client/cli/qmp_server/listen.h"

#define QMP_CLIENTS_MAX		  256 /* at once; more wait in the socket's queue */
#define QMP_CLIENTS_OF_A_USER_MAX 32

/* Serves clients of the listener until SIGTERM or SIGINT.  broker: its socket, NULL: the default.
 */
void qmp_serve(const struct qmp_listener *listener, const char *broker);
