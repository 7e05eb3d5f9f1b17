/* SPDX-License-Identifier: MIT */
/*
 * Object files of the administrator.  Must never follow a symlink, wait for a
 * FIFO, or read a file twice: what is judged is what is loaded.
 */
#include "broker/start/object_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

/*
 * One step down a path, onto no symlink.  Not openat2(2): what forbids set-user-ID files by
 * seccomp (systemd's RestrictSUIDSGID=) has to forbid it, whose mode lies behind a pointer.
 */
static int step(int *at, const char *name)
{
	_cleanup_fd_ int next = openat(*at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (next < 0 || fstat(next, &st))
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	fd_closep(at);
	*at = fd_take(&next);
	return 0;
}

static int open_plain_dir(const char *path)
{
	_cleanup_fd_ int at = open(path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[NAME_MAX + 1];
	int err = at < 0 ? -errno : 0, fd;

	while (!err && *path) {
		size_t n = strcspn(path, "/");

		if (n > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path, n);
		name[n] = '\0';
		err = n ? step(&at, name) : 0;
		path += n + (path[n] == '/');
	}
	if (err)
		return err;
	fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* name has no slash in it. */
static int open_plain_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int dir_judge(int fd, const char **ret_why)
{
	struct stat st;

	if (fstat(fd, &st))
		REFUSE(-errno, "cannot be looked at");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		REFUSE(-EPERM, "it, or a directory above it, is not root's");
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(st.st_mode & S_ISVTX))
		REFUSE(-EPERM, "it, or a directory above it, is writable by others");
	return 0;
}

/* Whoever can rename a directory on the way can replace what is in it. */
static int parents_judge(int fd, const char **ret_why)
{
	_cleanup_fd_ int at = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct stat here, above;

	for (;;) {
		int up, err = dir_judge(at, ret_why);

		if (err)
			return err;
		up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0 || fstat(at, &here) || fstat(up, &above))
			REFUSE(-errno, "the directory above it cannot be opened");
		fd_closep(&at);
		at = up;
		if (here.st_ino == above.st_ino && here.st_dev == above.st_dev)
			return 0; /* the root */
	}
}

int object_dir_open(const char *path, int *ret_fd, const char **ret_why)
{
	_cleanup_fd_ int fd = open_plain_dir(path);
	struct stat st;
	int err;

	if (fd == -ELOOP)
		REFUSE(fd, "a component is a symlink");
	if (fd < 0)
		REFUSE(fd, "cannot be opened");
	if (fstat(fd, &st) || (st.st_mode & (S_IWGRP | S_IWOTH)))
		REFUSE(-EPERM, "it is writable by others");
	err = parents_judge(fd, ret_why);
	if (!err)
		*ret_fd = fd_take(&fd);
	return err;
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

	/* One more than there should be tells a file that grew. */
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
