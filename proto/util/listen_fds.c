/* SPDX-License-Identifier: MIT */
/* UNIX sockets that a process listens on.  Must never remove a file but a dead socket. */
#include "proto/util/listen_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/fd.h"
#include "proto/util/option_table.h"
#include "proto/util/refuse_fds.h"

int listen_fds_count(const char **ret_why)
{
	const char *n = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	unsigned value;

	if (!n || !pid)
		return 0;
	*ret_why = "LISTEN_PID is not the number of a process";
	if (option_number(pid, 1, 1 << 30, &value))
		return -EINVAL;
	/* It was set for a process that started this one. */
	if (value != (unsigned)getpid())
		return 0;
	*ret_why = "LISTEN_FDS is not a number from 0 to 1024";
	return option_number(n, 0, LISTEN_FDS_MAX, &value) ? -EINVAL : (int)value;
}

static int option_int(int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) ? -errno : value;
}

bool socket_is_listening(int fd)
{
	return option_int(fd, SO_ACCEPTCONN) == 1;
}

int listen_fd_take(int fd, int type)
{
	if (option_int(fd, SO_DOMAIN) != AF_UNIX || option_int(fd, SO_TYPE) != type)
		return -EINVAL;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, O_NONBLOCK))
		return -errno;
	socket_refuse_fds(fd);
	return 0;
}

int unix_address_init(struct sockaddr_un *ret, const char *path)
{
	if (!path[0] || strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strcpy(ret->sun_path, path);
	return 0;
}

/* Whether a process has a socket of any type there.  True if that cannot be found out. */
static bool address_is_live(const struct sockaddr_un *address)
{
	static const int types[] = { SOCK_SEQPACKET, SOCK_STREAM, SOCK_DGRAM };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		_cleanup_fd_ int fd = socket(AF_UNIX, types[i] | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		if (fd < 0 || !connect(fd, (const struct sockaddr *)address, sizeof(*address)))
			return true;
		/* A socket of another type, or nobody's any more. */
		if (errno != EPROTOTYPE && errno != ECONNREFUSED)
			return true;
	}
	return false;
}

int stale_socket_remove(int dir, const char *name, const struct sockaddr_un *address,
			const char **ret_why)
{
	struct stat st;

	*ret_why = NULL;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		*ret_why = "exists and is not a socket";
		return -EEXIST;
	}
	if (address_is_live(address)) {
		*ret_why = "is in use by another process";
		return -EADDRINUSE;
	}
	return unlinkat(dir, name, 0) ? -errno : 0;
}
