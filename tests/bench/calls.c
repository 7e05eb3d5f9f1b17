// SPDX-License-Identifier: MIT
/*
 * What a call of syscall() and of ioctl() takes: the two functions whose place
 * librssb-qemu.so takes in QEMU.  Started with and without it by calls.py.
 *
 * Prints {"syscall": NS, "ioctl": NS}: a call, of the fastest batch of a million calls.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/bench/clock.h"

#define BATCHES 1000
#define CALLS	1000

static void by_syscall(void)
{
	syscall(SYS_getpid);
}

/* EBADF: as little of the kernel as there is. */
static void by_ioctl(void)
{
	ioctl(-1, 0, NULL);
}

static double measure(void (*call)(void))
{
	uint64_t best = UINT64_MAX;

	for (int batch = 0; batch < BATCHES; batch++) {
		uint64_t begin = clock_ns();

		for (int i = 0; i < CALLS; i++)
			call();
		begin = clock_ns() - begin;
		best = begin < best ? begin : best;
	}
	return (double)best / CALLS;
}

int main(void)
{
	printf("{\"syscall\": %.2f, \"ioctl\": %.2f}\n", measure(by_syscall), measure(by_ioctl));
	return 0;
}
