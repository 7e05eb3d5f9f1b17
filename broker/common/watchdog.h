/* SPDX-License-Identifier: MIT */
/*
 * The service manager's watchdog: it ends a service that has not said WATCHDOG=1 for too long.
 * The front says so from its loop, by write(2) on one fd: seccomp refuses sendmsg(2) on that
 * number, which could send to any other socket by its name.
 */
#pragma once

#include <stdint.h>
#include <unistd.h>

#define WATCHDOG_FD STDIN_FILENO /* the front reads nothing from there */

struct watchdog {
	uint64_t every_ms; /* 0: none was asked for */
	uint64_t at_ms;	   /* when to answer again; 0: never */
};

/* Says WATCHDOG=1 when it is time.  Must never wait: WATCHDOG_FD is O_NONBLOCK. */
void watchdog_answer(struct watchdog *w, uint64_t now_ms);
