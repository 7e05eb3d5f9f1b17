/* SPDX-License-Identifier: MIT */
/*
 * How each process gives up what it does not need.  Every stage says what it
 * Should and Mustn't do; the order of the calls is in main.c, loader/process.c and
 * closer/process.c.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Whom to become.  change is false where this process may not (no CAP_SETUID). */
struct identity {
	uid_t uid;
	gid_t gid;
	bool change;
};

enum broker_process { PROCESS_FRONT, PROCESS_LOADER, PROCESS_CLOSER, PROCESS_TRIAL };

enum privileges_caps {
	PRIVILEGES_CAPS_NONE,
	PRIVILEGES_CAPS_BPF,	     /* CAP_BPF */
	PRIVILEGES_CAPS_BPF_PERFMON, /* CAP_BPF and CAP_PERFMON */
};

/*
 * 1. Before anything else.  Should: have stdin, stdout, stderr and at most
 *    n_keep further fds from 3 on; a clean environment; no signal that was
 *    blocked or ignored before; no core dumps.
 *    Mustn't: read the environment after this.
 */
int privileges_begin(int n_keep);

/* First in a child.  Should: have these fds, besides stdin, stdout, stderr; sorts them.
 * Mustn't: share any other. */
int privileges_keep_fds(int fds[], size_t n);

/* In a child, behind the drop.  Should: be killed when the front ends.  Mustn't: outlive it. */
int privileges_end_with_parent(pid_t parent);

/* Whether this process holds caps; else -EPERM, and a log line names the first missing one. */
int privileges_has(enum privileges_caps caps);

/* Whether this process may become another uid. */
bool privileges_may_change_id(void);

/*
 * 2. After the last use of the file system.  Should: be identity, with exactly
 *    caps, no bounding set (where CAP_SETPCAP was there), no_new_privs, not
 *    dumpable; checked by reading back.  Mustn't: hold anything more.
 */
int privileges_drop(const struct identity *id, enum privileges_caps caps);

/*
 * 3. Last.  Should: make the system calls tagged "#syscalls" in the sources, and
 *    in the loader bpf(2) with the commands that make a set.  Mustn't: open,
 *    connect, exec, fork (but the closer); anything else kills the process.
 */
int seccomp_start(enum broker_process process);
