/* SPDX-License-Identifier: MIT */
/*
 * What a service manager passes: LISTEN_FDS and NOTIFY_SOCKET.  The line to it is
 * used once, and is closed before the first byte of a client is read: its socket
 * can send to any name, so a process that clients talk to must not have it.
 */
#pragma once

/* Owns sock, the line to the service manager. */
struct service_manager {
	int n_fds;	  /* sockets passed to us, from fd 3 on */
	char notify[108]; /* NOTIFY_SOCKET; empty: none */
	int sock;
};
#define SERVICE_MANAGER_INIT                                                                       \
	{                                                                                          \
		.sock = -1                                                                         \
	}

/* Reads the environment, before it is cleared.  -EINVAL: what it says cannot be; that was logged.
 */
int service_manager_read(struct service_manager *ret);

/* Checks that the one fd passed is a listening UNIX SOCK_SEQPACKET socket, and takes it. */
int service_manager_take(const struct service_manager *a, int *ret_sock);

/* Connects to the service manager, if there is one; before privileges drop. */
void service_manager_connect(struct service_manager *a);

/* Says READY=1, waits at most five seconds for room to say it in, and closes the line. */
void service_manager_say_ready(struct service_manager *a);
