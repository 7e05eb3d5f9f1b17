/* SPDX-License-Identifier: MIT */
/*
 * What a service manager passes: LISTEN_FDS, NOTIFY_SOCKET, WATCHDOG_USEC.  A datagram
 * socket can send to any name, so the line to it is closed before the first byte of a
 * client is read; or, if there is a watchdog to answer, it moves to the fd on which
 * write(2) alone is allowed (broker/common/watchdog.h).
 */
#pragma once

#include "broker/common/watchdog.h"

/* Owns sock, the line to the service manager. */
struct service_manager {
	int n_fds;	      /* sockets passed to us, from fd 3 on */
	char notify[108];     /* NOTIFY_SOCKET; empty: none */
	uint64_t watchdog_ms; /* how often to answer it; 0: there is none */
	int sock;	      /* -1: there is none */
};

/* Reads the environment, before it is cleared.  -EINVAL: what it says cannot be; that was logged.
 */
int service_manager_read(struct service_manager *ret);

/* Checks that the one fd passed is a listening UNIX SOCK_SEQPACKET socket, and takes it. */
int service_manager_take(const struct service_manager *a, int *ret_sock);

/* Connects to the service manager, if there is one; before privileges drop. */
void service_manager_connect(struct service_manager *a);

/* Says READY=1, waits at most five seconds for room to say it in, and closes the line.  With a
 * watchdog, *ret begins and has the line. */
void service_manager_say_ready(struct service_manager *a, struct watchdog *ret);
