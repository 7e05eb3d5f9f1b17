/* SPDX-License-Identifier: MIT */
/*
 * Owned file descriptors.  An owned fd variable is born -1; this is the only
 * file of the tree that calls close().
 */
#pragma once

#include <errno.h>
#include <unistd.h>

/* Closes *fd if it is open, and marks it closed.  Preserves errno. */
static inline void fd_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

/* Moves ownership out of *fd. */
static inline int fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Closes *fd, which was written to, and tells whether all of it arrived: 0 or -errno. */
static inline int fd_close_written(int *fd)
{
	return close(fd_take(fd)) ? -errno : 0;
}

#define _cleanup_fd_ __attribute__((cleanup(fd_closep)))
