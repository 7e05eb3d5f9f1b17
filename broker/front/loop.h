/* SPDX-License-Identifier: MIT */
/* The front's loop: waits, and serves what is there. */
#pragma once

#include "broker/front/front.h"

/*
 * Takes *listener; borrows the loader.  Waits until the pool is full.  There is
 * no loop_done(): the front lives as long as its process.
 */
int loop_init(struct front *ret, int *listener, const struct loader_link *loader,
	      const struct front_settings *settings, const struct objects *objects);

/* Serves until SIGTERM or SIGINT (0), or until the loader is gone (-errno, logged). */
int loop_run(struct front *f);

/* One turn of it: waits at most timeout_ms (-1: for ever), then serves what is there. */
int loop_turn(struct front *f, int timeout_ms);
