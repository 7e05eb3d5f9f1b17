/* SPDX-License-Identifier: MIT */
/*
 * Closing what another one chose: a socket with SO_LINGER makes that wait for as long as its owner
 * likes.  A signal ends the wait, but not in a process that is exiting.
 */
#pragma once

#include <signal.h>
#include <sys/time.h>

#define HURRY_MS 5

static inline void hurry_on_alarm(int signum)
{
	(void)signum;
}

/* From here to hurry_end() no close waits longer than HURRY_MS.  Takes SIGALRM and its timer. */
static inline void hurry_begin(void)
{
	const struct itimerval often = { { 0, HURRY_MS * 1000 }, { 0, HURRY_MS * 1000 } };

	signal(SIGALRM, hurry_on_alarm);
	setitimer(ITIMER_REAL, &often, NULL);
}

static inline void hurry_end(void)
{
	static const struct itimerval never = { 0 };

	setitimer(ITIMER_REAL, &never, NULL);
}
