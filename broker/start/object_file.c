/* SPDX-License-Identifier: MIT */
/*
 * Object files of the administrator.  Must never follow a symlink, wait for a
 * FIFO, or read a file twice: what is judged is what is loaded.
 */
#include "broker/start/object_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/fd.h"

#define REFUSE(err, text)                                                                          \
	do {                                                                                       \
		*ret_why = (text);                                                                 \
		return (err);                                                                      \
	} while (0)

/* name has no slash in it. */
static int open_plain_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int file_judge(int fd, struct stat *ret, const char **ret_why)
{
	if (fstat(fd, ret))
		REFUSE(-errno, "cannot be looked at");
	if (!S_ISREG(ret->st_mode))
		REFUSE(-EINVAL, "is not a regular file");
	if (ret->st_uid != 0)
		REFUSE(-EPERM, "is not root's");
	if (ret->st_mode & (S_IWGRP | S_IWOTH))
		REFUSE(-EPERM, "is writable by others");
	if (ret->st_size == 0)
		REFUSE(-ENODATA, "is empty");
	if (ret->st_size > OBJECT_FILE_MAX)
		REFUSE(-EFBIG, "is larger than 1 MiB");
	return 0;
}

/* 0 only if exactly size bytes are there. */
static int read_exactly(int fd, char *to, size_t size)
{
	size_t done = 0;
	ssize_t n;

	/* One byte more than expected shows a file that grew. */
	while ((n = read(fd, to + done, size + 1 - done)) > 0)
		done += (size_t)n;
	if (n < 0)
		return -errno;
	return done == size ? 0 : -EBUSY;
}

int object_file_read(int dir, const char *name, void **ret, size_t *ret_size, const char **ret_why)
{
	_cleanup_fd_ int fd = open_plain_file(dir, name);
	struct stat st;
	char *data;
	int err;

	if (fd == -ELOOP)
		REFUSE(fd, "is a symlink");
	if (fd < 0)
		REFUSE(fd, "cannot be opened");
	err = file_judge(fd, &st, ret_why);
	if (err)
		return err;
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		REFUSE(-ENOMEM, "there is no memory for it");
	err = read_exactly(fd, data, (size_t)st.st_size);
	if (err) {
		free(data);
		REFUSE(err, "changed while it was read");
	}
	*ret = data;
	*ret_size = (size_t)st.st_size;
	return 0;
}
