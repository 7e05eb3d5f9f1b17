/* SPDX-License-Identifier: MIT */
/* Directories whose contents the broker relies on.  Must never follow a symlink to one. */
#include "broker/start/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/fd.h"

__attribute__((format(printf, 3, 4))) static int refuse(int err, char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, DIRECTORY_WHY_MAX, format, args);
	va_end(args);
	return err;
}

/* Whoever made the symlink chose what it points to: the log takes no odd bytes from it. */
static int symlink_refuse(int fd, const char *path, const struct stat *st, char *why)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(fd, "", target, sizeof(target) - 1);

	target[n > 0 ? n : 0] = '\0';
	for (char *c = target; *c; c++)
		*c = *c >= ' ' && *c <= '~' ? *c : '?';
	return refuse(-ELOOP, why,
		      "%s (owner uid %u, mode %04o) is a symlink to %s, and none is followed: give "
		      "the path that has no symlink in it",
		      path, st->st_uid, st->st_mode & 07777, target);
}

/* Whoever can rename a directory on the way can replace what is in it. */
static int dir_judge(int fd, const char *path, bool is_above, char *why)
{
	const mode_t others = S_IWGRP | S_IWOTH;
	struct stat st;

	if (fstat(fd, &st))
		return refuse(-errno, why, "%s cannot be looked at: %s", path,
			      strerrordesc_np(errno));
	if (S_ISLNK(st.st_mode))
		return symlink_refuse(fd, path, &st, why);
	if (!S_ISDIR(st.st_mode))
		return refuse(-ENOTDIR, why,
			      "%s (owner uid %u, mode %04o) is not a directory: remove it, or give "
			      "another path",
			      path, st.st_uid, st.st_mode & 07777);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return refuse(
			-EPERM, why,
			"%s (owner uid %u, mode %04o) does not belong to root%s: chown root %s",
			path, st.st_uid, st.st_mode & 07777,
			geteuid() ? " or to the broker's user" : "", path);
	if ((st.st_mode & others) && !(is_above && st.st_mode & S_ISVTX))
		return refuse(-EPERM, why,
			      "%s (owner uid %u, mode %04o) can be written by %s: chmod go-w %s%s",
			      path, st.st_uid, st.st_mode & 07777,
			      st.st_mode & S_IWOTH ? "everybody" : "its group", path,
			      is_above ? " (or chmod +t)" : "");
	return 0;
}

/*
 * One step down a path, onto no symlink.  Not openat2(2): what forbids set-user-ID files by
 * seccomp (systemd's RestrictSUIDSGID=) has to forbid it, whose mode lies behind a pointer.
 */
static int step(int *at, const char *name, const char *path, bool is_above, char *why)
{
	_cleanup_fd_ int next = openat(*at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int err;

	if (next < 0 && errno == ENOENT)
		return refuse(-ENOENT, why, "%s does not exist: mkdir -m 755 %s", path, path);
	if (next < 0)
		return refuse(-errno, why, "%s cannot be opened: %s", path, strerrordesc_np(errno));
	err = dir_judge(next, path, is_above, why);
	if (err)
		return err;
	fd_closep(at);
	*at = fd_take(&next);
	return 0;
}

/* path from the root, so that each directory above is on the way. */
static int path_complete(char ret[PATH_MAX], const char *path, char *why)
{
	size_t n = 0;

	if (path[0] != '/') {
		if (!getcwd(ret, PATH_MAX))
			return refuse(-errno, why, "the working directory has no path: %s",
				      strerrordesc_np(errno));
		n = strlen(ret);
		ret[n++] = '/';
	}
	if (n + strlen(path) >= PATH_MAX)
		return refuse(-ENAMETOOLONG, why, "the path is longer than %d bytes", PATH_MAX - 1);
	strcpy(ret + n, path);
	return 0;
}

/* Walks down from the root.  path is cut behind each of its names in turn, to be shown. */
static int walk(int *at, char *path, char *why)
{
	char *name = path + strspn(path, "/"), *end, *next;
	int err = dir_judge(*at, "/", *name, why);

	for (; !err && *name; name = next) {
		const char after = name[strcspn(name, "/")];

		end = name + strcspn(name, "/");
		next = end + strspn(end, "/");
		*end = '\0';
		err = step(at, name, path, *next, why);
		*end = after;
	}
	return err;
}

int directory_open(const char *path, int flags, int *ret_fd, char why[DIRECTORY_WHY_MAX])
{
	_cleanup_fd_ int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	char whole[PATH_MAX];
	int err;

	if (at < 0)
		return refuse(-errno, why, "/ cannot be opened: %s", strerrordesc_np(errno));
	if ((err = path_complete(whole, path, why)) || (err = walk(&at, whole, why)))
		return err;
	fd = openat(at, ".", flags | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return refuse(-errno, why, "%s cannot be opened: %s", whole,
			      strerrordesc_np(errno));
	*ret_fd = fd_take(&fd);
	return 0;
}
