/* SPDX-License-Identifier: MIT */
/*
 * A system call as the kernel takes and answers it: -errno, no errno, no libc.
 * librssb-qemu.so is called before any library is initialised, so what it passes
 * on must need nothing that is looked up or set up first.
 */
#pragma once

/* Returns what the kernel returns: -4095..-1 is -errno. */
static inline long raw_syscall(long number, const long arg[6])
{
#if defined(__x86_64__)
	register long r10 __asm__("r10");
	register long r8 __asm__("r8");
	register long r9 __asm__("r9");
	long ret;

	r10 = arg[3];
	r8 = arg[4];
	r9 = arg[5];
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(number), "D"(arg[0]), "S"(arg[1]), "d"(arg[2]), "r"(r10), "r"(r8),
			   "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8");
	register long x0 __asm__("x0");
	register long x1 __asm__("x1");
	register long x2 __asm__("x2");
	register long x3 __asm__("x3");
	register long x4 __asm__("x4");
	register long x5 __asm__("x5");

	x8 = number;
	x0 = arg[0];
	x1 = arg[1];
	x2 = arg[2];
	x3 = arg[3];
	x4 = arg[4];
	x5 = arg[5];
	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
#else
#error "librssb-qemu.so: say here how this processor makes a system call"
#endif
}
