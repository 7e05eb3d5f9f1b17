/* SPDX-License-Identifier: MIT */
/*
 * One client of the QMP server, from the greeting to its end.  While an answer
 * waits to be read nothing is read from the client, so what it can make this
 * process hold is bounded: an input buffer, a message, an answer.
 */
#pragma once

/*
 * Returns when the client has ended, or has said quit.  The fds are borrowed.  broker: its socket,
 * NULL: the default.
 */
void qmp_client_serve(int in, int out, const char *broker);
