/* SPDX-License-Identifier: MIT */
/*
 * librssb-qemu.so: rssb run puts it into QEMU's process by LD_PRELOAD, where it
 * takes the place of two functions of the C library.
 *
 *   syscall()  libbpf's bpf(2) goes through it: the load of a steering object
 *              is answered with a set of the broker's (load.h), if $RSSB_ON_DEMAND is there
 *   ioctl()    TUNSETSTEERINGEBPF on a host-steered tap has no effect (host_steered.h)
 *
 * Whatever else is called goes to the kernel as it is.  These functions are called
 * from any thread, after fork, and by other libraries before this one is initialised.
 * They must never need a lock, change errno on success, or end the process.
 */
#include <errno.h>
#include <linux/if_tun.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/preload/host_steered.h"
#include "client/preload/load.h"
#include "client/preload/raw.h"
#include "client/preload/settings.h"

static long libc_result(long ret)
{
	if (ret >= 0 || ret < -4095)
		return ret;
	errno = (int)-ret;
	return -1;
}

__attribute__((constructor)) static void preload_init(void)
{
	preload_settings_read();
}

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int ioctl(int fd, unsigned long request, ...)
{
	long arg;
	va_list args;

	va_start(args, request);
	arg = va_arg(args, long);
	va_end(args);
	/* The kernel looks at 32 bits of it. */
	if ((unsigned int)request == (unsigned int)TUNSETSTEERINGEBPF && host_steered(fd))
		return 0;
	return (int)libc_result(raw_syscall(SYS_ioctl, (long[6]){ fd, (long)request, arg }));
}

/* What an answer takes leaves no trace in errno. */
static long bpf_answer(const long arg[6])
{
	int saved = errno;
	long ret = load_answer(arg);

	errno = saved;
	return ret;
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): libc's is reserved */
EXPORTED long syscall(long number, ...)
{
	long arg[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_bpf && preload_settings.on_demand)
		return libc_result(bpf_answer(arg));
	return libc_result(raw_syscall(number, arg));
}
