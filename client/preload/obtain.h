/* SPDX-License-Identifier: MIT */
/*
 * A set from the broker, for a QEMU whose main loop waits meanwhile: never longer
 * than $RSSB_ON_DEMAND says, however many devices ask one after the other.
 */
#pragma once

#include "client/include/rssb.h"

/* 0; or -errno, and why has been said. */
int obtain_set(struct rssb_fds *ret);
