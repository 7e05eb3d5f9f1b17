/* SPDX-License-Identifier: MIT */
/*
 * A multi-queue tap in a network namespace of the test's own, into which frames are
 * sent and from whose queues they are read.  It must never touch the host's network.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define TAP_QUEUES 8
#define TAP_LINEAR 14 /* bytes of a paged frame that are not in pages */
#define TAP_MTU	   9000

struct tap {
	int queues[TAP_QUEUES];
	int sender;	  /* AF_PACKET, on the tap */
	int paged_sender; /* likewise, for frames above a page whose headers are in pages */
	int vlan_sender;  /* likewise, for frames that get a tag in the skb's metadata */
};

/* Enters a new network namespace and makes the tap.  Aborts, saying why, when it cannot. */
void tap_open(struct tap *t);
void tap_close(struct tap *t);

/* Makes a program steer the tap.  -errno. */
int tap_steer(const struct tap *t, int prog);

/* Sends a frame by one of the senders; the queue it comes out of, or -1 within a second. */
int tap_queue(const struct tap *t, int sender, const void *frame, size_t len);
