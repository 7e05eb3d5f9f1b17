/* SPDX-License-Identifier: MIT */
/*
 * The listening socket.  Must never unlink or follow anything but a dead socket
 * in a directory that only its owner can write.
 */
#include "broker/start/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/common/log.h"
#include "broker/start/directory.h"
#include "proto/rssb_proto.h"
#include "proto/util/fd.h"
#include "proto/util/listen_fds.h"
#include "proto/util/refuse_fds.h"

/* --- the directory --------------------------------------------------------- */

/* The default directory is made where it is missing; any other must be there. */
static int socket_directory_open(const char *path, int *ret)
{
	char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char why[DIRECTORY_WHY_MAX];
	const char *dir;
	int err;

	strcpy(copy, path); /* path_check() has measured it */
	dir = dirname(copy);
	if (!strcmp(path, RSSB_SOCKET_DEFAULT) && mkdir(dir, 0755) && errno != EEXIST)
		return log_error(-errno, "cannot make directory %s", dir);
	err = directory_open(dir, O_PATH, ret, why);
	if (err)
		log_line(LOG_ERR, "the socket's directory %s: %s", dir, why);
	return err;
}

static int path_check(const char *path)
{
	const size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

	if (path[0] != '/') {
		log_line(LOG_ERR, "socket path '%s' is not absolute: it begins with /", path);
		return -EINVAL;
	}
	if (strlen(path) > max) {
		log_line(LOG_ERR, "socket path has %zu bytes, at most %zu are possible",
			 strlen(path), max);
		return -ENAMETOOLONG;
	}
	return 0;
}

/* One broker for each socket. The lock ends with its process, even in a crash; its file stays. */
static int lock_take(int dir, const char *path, int *ret)
{
	char lock[128];
	_cleanup_fd_ int fd = -1;

	snprintf(lock, sizeof(lock), "%s.lock", path);
	fd = openat(dir, strrchr(lock, '/') + 1,
		    O_RDONLY | O_NONBLOCK | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return log_error(-errno, "cannot open the lock file %s", lock);
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			return log_error(-errno, "cannot lock %s", lock);
		log_line(LOG_ERR,
			 "another broker holds %s: it is running already; stop it, or choose "
			 "another --socket",
			 lock);
		return -EADDRINUSE;
	}
	*ret = fd_take(&fd);
	return 0;
}

/* --- the socket -------------------------------------------------------------- */

static int room_make(int dir, const char *name, const struct sockaddr_un *address)
{
	const char *why;
	int err = stale_socket_remove(dir, name, address, &why);

	if (err && why)
		log_line(LOG_ERR, "%s %s: left alone; choose another --socket", address->sun_path,
			 why);
	else if (err)
		log_error(err, "cannot remove the stale socket %s", address->sun_path);
	return err;
}

/* Mode before bind and group before listen: nobody can connect too early. */
static int socket_bind(int dir, const char *name, const struct sockaddr_un *address,
		       const struct listen_options *o, int *ret)
{
	_cleanup_fd_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (sock < 0)
		return log_error(-errno, "cannot make a socket");
	if (fchmod(sock, o->mode) || bind(sock, (const struct sockaddr *)address, sizeof(*address)))
		return log_error(-errno, "cannot bind %s", o->path);
	if (o->group != (gid_t)-1 && fchownat(dir, name, (uid_t)-1, o->group, AT_SYMLINK_NOFOLLOW))
		return log_error(-errno, "cannot give %s to group %u", o->path, o->group);
	socket_refuse_fds(sock);
	if (listen(sock, LISTEN_BACKLOG))
		return log_error(-errno, "cannot listen on %s", o->path);
	*ret = fd_take(&sock);
	return 0;
}

int listen_make(const struct listen_options *o, int *ret_sock, int *ret_lock)
{
	_cleanup_fd_ int dir = -1, lock = -1;
	struct sockaddr_un address;
	const char *name;
	int err;

	err = path_check(o->path);
	if (err)
		return err;
	name = strrchr(o->path, '/') + 1;
	unix_address_init(&address, o->path);
	if ((err = socket_directory_open(o->path, &dir)) ||
	    (err = lock_take(dir, o->path, &lock)) || (err = room_make(dir, name, &address)) ||
	    (err = socket_bind(dir, name, &address, o, ret_sock)))
		return err;
	*ret_lock = fd_take(&lock);
	return 0;
}
