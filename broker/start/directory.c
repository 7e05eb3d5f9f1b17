/* SPDX-License-Identifier: MIT */
/* Directories whose contents the broker relies on.  Must never follow a symlink to one. */
#include "broker/start/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/fd.h"

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

static int open_plain_dir(const char *path, int flags)
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
	fd = openat(at, ".", flags | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int refuse(int err, const char *why, const char **ret_why)
{
	*ret_why = why;
	return err;
}

static int dir_judge(int fd, const char **ret_why)
{
	struct stat st;

	if (fstat(fd, &st))
		return refuse(-errno, "it cannot be looked at", ret_why);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return refuse(-EPERM, "it, or a directory above it, is not root's", ret_why);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(st.st_mode & S_ISVTX))
		return refuse(-EPERM, "it, or a directory above it, is writable by others",
			      ret_why);
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
			return refuse(-errno, "the directory above it cannot be opened", ret_why);
		fd_closep(&at);
		at = up;
		if (here.st_ino == above.st_ino && here.st_dev == above.st_dev)
			return 0; /* the root */
	}
}

int directory_open(const char *path, int flags, int *ret_fd, const char **ret_why)
{
	_cleanup_fd_ int fd = open_plain_dir(path, flags);
	struct stat st;
	int err;

	if (fd == -ELOOP)
		return refuse(fd, "a component is a symlink", ret_why);
	if (fd < 0)
		return refuse(fd, "cannot be opened", ret_why);
	if (fstat(fd, &st) || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return refuse(-EPERM, "it is writable by others", ret_why);
	err = parents_judge(fd, ret_why);
	if (!err)
		*ret_fd = fd_take(&fd);
	return err;
}
