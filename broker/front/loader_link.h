/* SPDX-License-Identifier: MIT */
/* The front's end of the line to the loader. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/common/set_fds.h"

/* The front's view; owns sock. */
struct loader_link {
	int sock; /* non-blocking once ready */
	pid_t pid;
};

/* What one answer was. */
struct loader_answer {
	unsigned object;    /* its index */
	int err;	    /* -errno of the kernel, 0: fds is a set */
	size_t n_fds;	    /* how many came */
	struct set_fds fds; /* the receiver's, also on an error */
};

/* Waits until the loader is ready.  -ECHILD: the loader ended, or was ended; that was logged. */
int loader_link_wait_ready(struct loader_link *l);

/* Asks for one set of an object.  -EAGAIN: later. */
int loader_link_ask(const struct loader_link *l, unsigned object);

/* Takes one answer. -EAGAIN: none yet; any other error: the loader ended, or broke the protocol. */
int loader_link_receive(const struct loader_link *l, struct loader_answer *ret);
