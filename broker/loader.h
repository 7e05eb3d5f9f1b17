/* SPDX-License-Identifier: MIT */
/*
 * The loader: the one process with a capability, and the front's end of the
 * line to it.  It answers "make one set of object N" and reads nothing else.
 */
#pragma once

#include "object.h"
#include "sandbox.h"
#include "set.h"

/* The front's view; owns sock. */
struct loader {
	int sock; /* non-blocking once ready */
	pid_t pid;
};
#define LOADER_INIT                                                                                \
	{                                                                                          \
		.sock = -1                                                                         \
	}

/* What one answer was. */
struct loader_answer {
	unsigned number;    /* of the object */
	int err;	    /* -errno of the kernel, 0: fds is a set */
	size_t n_fds;	    /* how many came */
	struct set_fds fds; /* the receiver's, also on an error */
};

/* Forks the loader.  It drops its privileges and loads every object before it answers. */
int loader_start(struct loader *ret, const struct objects *objects, const struct identity *id,
		 enum sandbox_caps caps);

/*
 * Waits until the loader has tried every object; *ret_numbers has a bit for each
 * that can be loaded.  -ECHILD: the loader ended, or was ended; that was logged.
 */
int loader_wait_ready(struct loader *l, uint32_t *ret_numbers);

/* Asks for one set of the object of that number.  -EAGAIN: later. */
int loader_ask(const struct loader *l, unsigned object);

/* Takes one answer.  -EAGAIN: none yet; anything else: the loader is gone or out of its mind. */
int loader_receive(const struct loader *l, struct loader_answer *ret);

void loader_done(struct loader *l);
