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

#include "tests/fuzz/lib/fuzz.h"

long syscall(long number, ...) __attribute__((visibility("default")));

/* How many functions the program has that was loaded last. */
static uint32_t fake_bpf_funcs;

/* Of a program, that alone. */
static void fake_bpf_info(union bpf_attr *attr)
{
	struct bpf_prog_info info = { .nr_func_info = fake_bpf_funcs };
	uint32_t size = attr->info.info_len;

	memcpy((void *)(uintptr_t)attr->info.info, &info,
	       size < sizeof(info) ? size : sizeof(info));
}

static long fake_bpf(long command, union bpf_attr *attr)
{
	switch (command) {
	case BPF_PROG_LOAD:
		fake_bpf_funcs = attr->func_info_cnt;
		break;
	case BPF_MAP_CREATE:
	case BPF_BTF_LOAD:
		break;
	case BPF_MAP_UPDATE_ELEM:
		return 0;
	case BPF_OBJ_GET_INFO_BY_FD:
		fake_bpf_info(attr);
		return 0;
	default:
		errno = EINVAL;
		return -1;
	}
	return open("/dev/null", O_RDWR | O_CLOEXEC);
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
		return fake_bpf(argument[0], (union bpf_attr *)argument[1]);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	FUZZ_CHECK(real);
	return real(number, argument[0], argument[1], argument[2], argument[3], argument[4],
		    argument[5]);
}
