/* SPDX-License-Identifier: MIT */
/*
 * A UNIX stream socket to listen on.  Must never remove what is not a dead
 * socket, and never take a fd from a client.
 */
#include "client/cli/qmp_server/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "client/cli/util/cli.h"
#include "proto/fd.h"
#include "proto/passrights.h"

enum { FIRST_FD = 3, BACKLOG = 128 };

static bool is_live(const struct sockaddr_un *address)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 || !connect(fd, (const struct sockaddr *)address, sizeof(*address)) ||
	       errno != ECONNREFUSED;
}

/* Makes room for a new socket where a dead one lies. */
static int replace_dead(const struct sockaddr_un *address)
{
	const char *path = address->sun_path;
	struct stat st;

	if (lstat(path, &st))
		return cli_fail("qmp", "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return cli_fail("qmp", "%s: is there and is no socket: left alone", path);
	if (is_live(address))
		return cli_fail("qmp", "%s: somebody listens there already", path);
	if (unlink(path))
		return cli_fail("qmp", "%s: a dead socket, not to be removed: %s", path,
				strerror(errno));
	return CLI_OK;
}

static int bind_at(int fd, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct sockaddr *a = (const struct sockaddr *)&address;

	if (!path[0] || strlen(path) >= sizeof(address.sun_path))
		return cli_fail("qmp", "%s: a socket's path has 1 to %zu bytes", path,
				sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	if (!bind(fd, a, sizeof(address)))
		return CLI_OK;
	if (errno == EADDRINUSE) {
		if (replace_dead(&address))
			return CLI_FAILED;
		if (!bind(fd, a, sizeof(address)))
			return CLI_OK;
	}
	return cli_fail("qmp", "%s: %s", path, strerror(errno));
}

int qmp_listener_open(struct qmp_listener *ret, const char *path)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return cli_fail("qmp", "%s", strerror(errno));
	if (bind_at(fd, path))
		return CLI_FAILED;
	passrights_refuse(fd);
	if (lstat(path, &st) || listen(fd, BACKLOG))
		return cli_fail("qmp", "%s: %s", path, strerror(errno));
	*ret = (struct qmp_listener){ fd_take(&fd), path, st.st_dev, st.st_ino };
	return CLI_OK;
}

void qmp_listener_done(struct qmp_listener *l)
{
	struct stat st;

	/* Another server may have its socket there by now. */
	if (l->path && !lstat(l->path, &st) && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	fd_closep(&l->fd);
}

int qmp_activation_count(void)
{
	const char *n = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");

	return n && pid && atol(pid) == (long)getpid() ? atoi(n) : 0;
}

static int option_int(int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) ? -1 : value;
}

int qmp_activation_take(struct qmp_listener *ret, int *ret_connection)
{
	_cleanup_fd_ int fd = -1;

	if (qmp_activation_count() != 1)
		return cli_fail("qmp", "LISTEN_FDS is %d: exactly one socket can be served",
				qmp_activation_count());
	if (option_int(FIRST_FD, SO_DOMAIN) != AF_UNIX ||
	    option_int(FIRST_FD, SO_TYPE) != SOCK_STREAM)
		return cli_fail("qmp", "the fd of LISTEN_FDS is not a UNIX stream socket: "
				       "use ListenStream= in the socket unit");
	fd = FIRST_FD;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, O_NONBLOCK))
		return cli_fail("qmp", "the fd of LISTEN_FDS: %s", strerror(errno));
	passrights_refuse(fd);
	if (option_int(fd, SO_ACCEPTCONN) == 1)
		ret->fd = fd_take(&fd);
	else
		*ret_connection = fd_take(&fd);
	return CLI_OK;
}

int qmp_listener_accept(const struct qmp_listener *l, int *ret_fd, uid_t *ret_uid)
{
	_cleanup_fd_ int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
	struct ucred who;
	socklen_t len = sizeof(who);

	if (fd < 0)
		return -errno;
	passrights_refuse(fd);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len))
		return -errno;
	*ret_uid = who.uid;
	*ret_fd = fd_take(&fd);
	return 0;
}
