/* SPDX-License-Identifier: MIT */
/* What a service manager passes: LISTEN_FDS and NOTIFY_SOCKET. */
#pragma once

/* Owns sock, the line to the service manager. */
struct activation {
	int n_fds;	  /* sockets passed to us, from fd 3 on */
	char notify[108]; /* NOTIFY_SOCKET; empty: none */
	int sock;
	unsigned watchdog_ms; /* how often it wants to hear from us at least; 0: never */
};
#define ACTIVATION_INIT                                                                            \
	{                                                                                          \
		.sock = -1                                                                         \
	}

/* Reads the environment, before it is cleared. */
void activation_read(struct activation *ret);

/* Checks that the one fd passed is a listening UNIX SOCK_SEQPACKET socket, and takes it. */
int activation_take(const struct activation *a, int *ret_sock);

/* Connects to the service manager, if there is one; before privileges drop. */
void activation_connect(struct activation *a);

/* Says state, such as "READY=1".  Never waits: -EAGAIN, if the manager has to read others first. */
int activation_notify(const struct activation *a, const char *state);
