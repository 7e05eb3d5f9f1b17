/* SPDX-License-Identifier: MIT */
/*
 * rssb run: a program that inherits steering sets.  What its files share.
 *
 * Until the very exec every fd stays close-on-exec, so that a command which is
 * run unchanged (--optional) inherits nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "commands.h"

/* What the command line says. */
struct run_options {
	const char *socket; /* NULL: the default */
	int wait_ms;	    /* for a busy or restarting broker */
	bool optional;	    /* whatever fails, run the command unchanged */
	bool if_needed;	    /* no device that needs fds is no error */
	bool all_multiqueue;
	bool no_probe;
	bool qemu_first; /* the command's first word is QEMU, whatever its name */
	bool verbose;
	char **command; /* ended by NULL */
};

/* Sets, one after the other; the fds are owned. */
struct run_sets {
	struct rssb_fds *fds;
	size_t n;
};

/* What will be executed. */
struct run_plan {
	char **argv; /* NULL: the command unchanged */
	struct run_sets sets;
	char *why; /* after a failure: what to tell the user */
};
#define RUN_PLAN_INIT                                                                              \
	{                                                                                          \
		0                                                                                  \
	}

/* Fails: sets plan->why.  Returns CLI_FAILED. */
int run_fail(struct run_plan *plan, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One line on stderr if --verbose. */
void run_tell(const struct run_options *o, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Plans a QEMU with fds for its devices.  0, or CLI_FAILED with plan->why. */
int run_qemu_plan(struct run_plan *plan, const struct run_options *o);

/*
 * Gets n handoff sets without configuration, waiting as long as the options
 * say.  0, or CLI_FAILED with plan->why and no set.
 */
int run_sets_acquire(struct run_plan *plan, const struct run_options *o, size_t n);
void run_sets_done(struct run_sets *sets);

/* Lets the next exec inherit them all. */
int run_sets_inherit(const struct run_sets *sets);
