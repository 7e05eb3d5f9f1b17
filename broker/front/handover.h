/* SPDX-License-Identifier: MIT */
/*
 * The last set that went to a client.  The client wakes up on the CPU of the front
 * and has its fds when the front sleeps: what need not be done before that waits
 * here, for the front's next turn or HANDOVER_MS.
 */
#pragma once

#include "broker/common/object_list.h"
#include "broker/front/grant.h"
#include "broker/front/set.h"

/* Longer than one tick: an earlier timer costs a virtual machine about 20 us. */
#define HANDOVER_MS 5

/* All zero: nothing waits. */
struct handover {
	struct grant *grant; /* borrowed: it must not end before handover_finish() */
	struct set set;	     /* the broker's copies of what the client has */
};

/* Takes *set, of a grant whose reply went out.  Nothing may wait already. */
void handover_begin(struct handover *h, struct grant *grant, struct set *set);

/* Gives up the broker's copies and, of a grant that is not managed, the maps.  Logs the grant. */
void handover_finish(struct handover *h, const struct objects *objects);
