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

#include "client/cli/commands/commands.h"
#include "client/cli/rss/steering.h"
#include "client/cli/util/mem.h"

struct qemu_args;
struct qemu_probe;

/* What the command line says. */
struct run_options {
	const char *socket; /* NULL: the default */
	int wait_ms;	    /* for a busy or restarting broker; below 0: not said */
	bool optional;	    /* whatever fails, run the command unchanged */
	bool if_needed;	    /* no device that needs fds is no error */
	bool all_multiqueue;
	bool no_probe;
	bool no_vhost;	       /* vhost off where QEMU would use no set with it */
	bool qemu_first;       /* the command's first word is QEMU, whatever its name */
	const char *qemu_word; /* this word of the command is; NULL: not said */
	bool exact;	       /* QEMU's own object, not one of its ABI */
	bool stats;	       /* sets that count packets */
	bool on_demand;	       /* QEMU's own request is answered, and its arguments are not read */
	bool verbose;
	const char *steers, *steers_host; /* --steering, --host-steering: one of them, or NULL */
	struct steering steering;	  /* what it says */
	char **command;			  /* its words, ended by NULL */
};

/* Sets, one after the other; the fds are owned. */
struct run_set {
	struct rssb_fds fds;
	struct rssb_grant grant;
};

struct run_sets {
	struct run_set *v;
	size_t n;
};

/* What will be executed. */
struct run_plan {
	char **argv;		  /* NULL: the command unchanged */
	const uint8_t *object_id; /* of the object to ask for; NULL: the broker's own */
	struct run_sets sets;
	char *why; /* after a failure: what to tell the user */
};

/* Takes why, which becomes plan->why.  Returns CLI_FAILED. */
int run_plan_fail(struct run_plan *plan, char *why);
#define run_fail(plan, ...) run_plan_fail(plan, mem_format(__VA_ARGS__))

/* Says which grant is whose: with --stats always, since rssb top is to be told. */
void run_tell_grant(const struct run_options *o, const char *whose, const struct run_set *set);

/* Plans a QEMU whose devices are steered.  0, or CLI_FAILED with plan->why. */
int run_qemu_plan(struct run_plan *plan, const struct run_options *o);

/*
 * Steers the taps of the n devices that are marked on_host.
 * 0, or CLI_FAILED with plan->why, and each of the taps without a program.
 */
int run_host_plan(struct run_plan *plan, const struct run_options *o, const struct qemu_args *args,
		  size_t n);

/*
 * Deals with each device that wants fds, has vhost on, and is at a QEMU that uses none
 * then: turns vhost off, or leaves the device out of *wanting with a warning.
 * 0, or CLI_FAILED with plan->why.
 */
int run_vhost_check(struct run_plan *plan, const struct run_options *o, struct qemu_args *args,
		    const struct qemu_probe *probe, size_t *wanting);

/* Which word of the command is QEMU; -1: none, or there is a doubt, with plan->why. */
long run_qemu_find(struct run_plan *plan, const struct run_options *o);

/* Warns of words before QEMU through which no fd gets. */
void run_prefix_warn(const struct run_options *o, long qemu);

/* Plans any other program with one set, which $RSSB_FDS names.  As run_qemu_plan(). */
int run_program_plan(struct run_plan *plan, const struct run_options *o);

/*
 * Lets librssb-qemu.so answer QEMU: in the environment, not on the command line.
 * As run_qemu_plan().
 */
int run_on_demand_plan(struct run_plan *plan, const struct run_options *o);

/* Adds librssb-qemu.so (client/preload) to LD_PRELOAD.  0, or CLI_FAILED with plan->why. */
int run_preload(struct run_plan *plan);

/* Sets a variable of what is executed.  0, or CLI_FAILED with plan->why. */
int run_setenv(struct run_plan *plan, const char *name, const char *value);

/*
 * Gets n sets of a kind, with the options' steering if they have one, waiting
 * as long as they say.  0, or CLI_FAILED with plan->why; run() ends those that came before.
 */
int run_sets_acquire(struct run_plan *plan, const struct run_options *o, size_t n,
		     enum rssb_grant_kind kind);
void run_sets_done(struct run_sets *sets);

/* Lets the next exec inherit them all. */
int run_sets_inherit(const struct run_sets *sets);
