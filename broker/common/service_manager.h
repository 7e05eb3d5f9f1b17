/* SPDX-License-Identifier: MIT */
/* What a service manager passes: LISTEN_FDS and NOTIFY_SOCKET. */
#pragma once

/* Owns sock, the line to the service manager. */
struct service_manager {
	int n_fds;	  /* sockets passed to us, from fd 3 on */
	char notify[108]; /* NOTIFY_SOCKET; empty: none */
	int sock;
	unsigned watchdog_ms; /* how often it wants to hear from us at least; 0: never */
};
#define SERVICE_MANAGER_INIT                                                                       \
	{                                                                                          \
		.sock = -1                                                                         \
	}

/* Reads the environment, before it is cleared. */
void service_manager_read(struct service_manager *ret);

/* Checks that the one fd passed is a listening UNIX SOCK_SEQPACKET socket, and takes it. */
int service_manager_take(const struct service_manager *a, int *ret_sock);

/* Connects to the service manager, if there is one; before privileges drop. */
void service_manager_connect(struct service_manager *a);

/* Says state, such as "READY=1".  Never waits: -EAGAIN, if the manager has to read others first. */
int service_manager_notify(const struct service_manager *a, const char *state);
