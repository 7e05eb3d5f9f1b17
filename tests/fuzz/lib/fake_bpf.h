/* SPDX-License-Identifier: MIT */
/*
 * A kernel that takes every program and every map, so that libbpf goes all its way
 * with an object and nothing is loaded.  libbpf's calls of syscall(2) come here
 * because a program's symbols go before a library's.
 */
#pragma once

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz.h"

long syscall(long number, ...) __attribute__((visibility("default")));

static long fake_bpf(long command)
{
	switch (command) {
	case BPF_MAP_CREATE:
	case BPF_PROG_LOAD:
	case BPF_BTF_LOAD:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case BPF_MAP_UPDATE_ELEM:
		return 0;
	default:
		errno = EINVAL;
		return -1;
	}
}

long syscall(long number, ...)
{
	static long (*real)(long number, ...);
	long argument[6];
	va_list args;

	va_start(args, number);
	for (size_t i = 0; i < 6; i++)
		argument[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_bpf)
		return fake_bpf(argument[0]);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	FUZZ_CHECK(real);
	return real(number, argument[0], argument[1], argument[2], argument[3], argument[4],
		    argument[5]);
}
