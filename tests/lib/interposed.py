# SPDX-License-Identifier: MIT
"""C sources for the fixture `interposed`: what stands in for a function of the C library."""

# It cannot refuse fds from clients.
OLD_KERNEL = """
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	if (level == SOL_SOCKET && option == 83) { /* SO_PASSRIGHTS */
		errno = ENOPROTOOPT;
		return -1;
	}
	return syscall(SYS_setsockopt, fd, level, option, value, len);
}
"""

# A security label for each gid, as an LSM would give one for each VM.
LABELS = """
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
int getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);
	if (level != SOL_SOCKET || option != SO_PEERSEC)
		return syscall(SYS_getsockopt, fd, level, option, value, len);
	syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &cred, &size);
	*len = snprintf(value, *len, "vm:c%u", cred.gid) + 1;
	return 0;
}
"""
