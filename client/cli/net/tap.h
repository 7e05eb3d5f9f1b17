/* SPDX-License-Identifier: MIT */
/*
 * Steering on a tap.  The program belongs to the device, not to the queue it
 * was set through, and a persistent tap keeps it until it is replaced.
 */
#pragma once

#include <linux/if.h>

#include "client/cli/util/why.h"

/*
 * Opens a queue of an existing multi-queue tap and detaches it at once, so
 * that it takes no packets; steering can be set through it.  For a moment it
 * is attached, and packets that the kernel steers to it then are lost.
 * 0, or -errno with why.
 */
int tap_open(int *ret_fd, const char *ifname, char why[WHY_MAX]);

/* Opens a queue of an existing multi-queue tap for somebody who will read it.  Likewise. */
int tap_queue_open(int *ret_fd, const char *ifname, char why[WHY_MAX]);

/* Makes a queue, whoever else has it open, take no packets any more.  Likewise. */
int tap_queue_detach(int fd, char why[WHY_MAX]);

/* Whether fd is a queue of a multi-queue tap.  0, or -errno with why. */
int tap_check(int fd, char why[WHY_MAX]);

/* The name of the tap, or other tun device, that fd is a queue of.  0, or -errno. */
int tap_name(int fd, char ret_name[IFNAMSIZ]);

/* How many queues of the tap are attached, that is read by somebody; 0: none, or not known. */
unsigned tap_live_queues(int fd);

/*
 * Puts the program on the tap, in place of the one that is there; -1: takes that off, and the
 * kernel chooses queues its own way again.  Both fds stay the caller's.  0, or -errno with
 * why.
 */
int tap_steer(int fd, int prog, char why[WHY_MAX]);
