/* SPDX-License-Identifier: MIT */
/*
 * What a front asks the kernel, answered as an input wants it: the time, who is
 * at the other end, and whether fds can be refused.  And what it writes to the
 * log, judged.  By the linker's --wrap (Makefile), so sockets stay real ones.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "broker/front/policy.h"
#include "tests/fuzz/lib/fuzz.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* A client, as the kernel would show it. */
struct identity_shown {
	uid_t uid;
	const char *label; /* NULL: no LSM gives one */
	bool refuses_fds;  /* SO_PASSRIGHTS was 0 from the start */
	bool unknown;	   /* SO_PEERCRED fails */
};

#define FAKE_BACKLOG 16

static struct {
	uint64_t now_ns;
	bool in_front;				     /* whose write(2) it is */
	struct identity_shown shown;		     /* of the connection that is being accepted */
	struct identity_shown backlog[FAKE_BACKLOG]; /* of those that wait, oldest first */
	size_t n_backlog;
} kernel;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_accept4(int sock, struct sockaddr *address, socklen_t *len, int flags);
int __wrap_getsockopt(int sock, int level, int name, void *value, socklen_t *len);
int __wrap_setsockopt(int sock, int level, int name, const void *value, socklen_t len);
ssize_t __wrap_write(int fd, const void *data, size_t size);
int __real_accept4(int sock, struct sockaddr *address, socklen_t *len, int flags);
int __real_getsockopt(int sock, int level, int name, void *value, socklen_t *len);
int __real_setsockopt(int sock, int level, int name, const void *value, socklen_t len);
ssize_t __real_write(int fd, const void *data, size_t size);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	ret->tv_sec = (time_t)(kernel.now_ns / 1000000000);
	ret->tv_nsec = (long)(kernel.now_ns % 1000000000);
	return 0;
}

/* Connections are accepted in the order in which they were made. */
int __wrap_accept4(int sock, struct sockaddr *address, socklen_t *len, int flags)
{
	int fd = __real_accept4(sock, address, len, flags);

	if (fd < 0)
		return fd;
	FUZZ_CHECK(kernel.n_backlog > 0);
	kernel.shown = kernel.backlog[0];
	kernel.n_backlog--;
	memmove(kernel.backlog, kernel.backlog + 1, kernel.n_backlog * sizeof(kernel.backlog[0]));
	return fd;
}

static int fail(int error)
{
	errno = error;
	return -1;
}

static int show_label(char *ret, socklen_t *len)
{
	size_t n = kernel.shown.label ? strlen(kernel.shown.label) : 0;

	if (!kernel.shown.label)
		return fail(ENOPROTOOPT);
	if (n > *len)
		return fail(ERANGE);
	memcpy(ret, kernel.shown.label, n);
	*len = (socklen_t)n;
	return 0;
}

int __wrap_getsockopt(int sock, int level, int name, void *value, socklen_t *len)
{
	const struct ucred cred = { .pid = 4711, .uid = kernel.shown.uid, .gid = 4712 };

	if (level != SOL_SOCKET)
		return __real_getsockopt(sock, level, name, value, len);
	switch (name) {
	case SO_PEERCRED:
		if (kernel.shown.unknown)
			return fail(EINVAL);
		memcpy(value, &cred, sizeof(cred));
		return 0;
	case SO_PEERSEC:
		return show_label(value, len);
	case SO_PEERGROUPS:
		*len = 0;
		return 0;
	case SO_PASSRIGHTS:
		*(int *)value = 0;
		return kernel.shown.refuses_fds ? 0 : fail(ENOPROTOOPT);
	default:
		return __real_getsockopt(sock, level, name, value, len);
	}
}

/* A kernel from before SO_PASSRIGHTS: what is sent with fds arrives with them. */
int __wrap_setsockopt(int sock, int level, int name, const void *value, socklen_t len)
{
	if (level == SOL_SOCKET && name == SO_PASSRIGHTS)
		return fail(ENOPROTOOPT);
	return __real_setsockopt(sock, level, name, value, len);
}

/* A log line is one line of printable ASCII, whatever clients sent; it goes nowhere. */
ssize_t __wrap_write(int fd, const void *data, size_t size)
{
	const char *text = data;

	if (fd != STDERR_FILENO || !kernel.in_front)
		return __real_write(fd, data, size);
	FUZZ_CHECK(size > 1 && text[size - 1] == '\n');
	for (size_t i = 0; i < size - 1; i++)
		FUZZ_CHECK(text[i] >= ' ' && text[i] <= '~');
	return (ssize_t)size;
}
