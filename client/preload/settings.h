/* SPDX-License-Identifier: MIT */
/*
 * What rssb run says to librssb-qemu.so by the environment.  Read once, when the
 * library is loaded; until then nothing is answered.
 *
 *   RSSB_ON_DEMAND=wait=MS[,stats][,verbose]   bpf(2) is answered, and how
 *   RSSB_SOCKET=PATH                           the broker's socket (default as everywhere)
 *   RSSB_HOST_STEERED                          host_steered.h
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct preload_settings {
	bool on_demand; /* else all of bpf(2) is the kernel's */
	bool stats;	/* sets that count packets */
	bool verbose;
	int wait_ms;	  /* the longest that QEMU's main loop waits for the broker */
	const char *path; /* of the socket */

	/*
	 * Its directory, if root started this and nothing else is in there: after -chroot the
	 * path leads nowhere.  Or -1.
	 */
	int dir;
	dev_t dir_dev; /* and which it is, should somebody else have taken the fd's number */
	ino_t dir_ino;
	dev_t root_dev; /* "/", as it was: another one tells of a chroot */
	ino_t root_ino;
};

extern struct preload_settings preload_settings;

void preload_settings_read(void);
