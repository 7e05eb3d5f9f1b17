/* SPDX-License-Identifier: MIT */
/*
 * Ends processes that hold sets a few at a time: a kernel that frees some 500 programs at about
 * the same time may hang (seen: 6.18).  Must not end the next ones before the programs of the last
 * ones are gone, or long enough has passed.
 */
#pragma once

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GRADUALLY_AT_ONCE 50
#define GRADUALLY_TURN_US 20000
#define GRADUALLY_TURNS	  100
#define GRADUALLY_REST_US 300000 /* the kernel frees a program after its id */

/* How many programs the kernel has; -1: it does not say (it says so to root alone). */
static inline int gradually_programs(void)
{
	union bpf_attr attr = { 0 };
	int n = 0;

	while (!syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attr, sizeof(attr))) {
		attr.start_id = attr.next_id;
		n++;
	}
	return n ? n : -1;
}

/* Returns once so many programs are gone, or in two seconds: others make and free some, too. */
static inline void gradually_wait(int before, int gone)
{
	for (int i = 0; i < GRADUALLY_TURNS && before > 0; i++) {
		if (gradually_programs() <= before - gone)
			break;
		usleep(GRADUALLY_TURN_US);
	}
	usleep(GRADUALLY_REST_US);
}
