/* SPDX-License-Identifier: MIT */
/*
 * A UNIX stream socket to listen on.  Must never remove what is not a dead
 * socket, and never take a fd from a client.
 */
#include "client/cli/qmp_server/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "client/cli/util/cli.h"
#include "proto/util/fd.h"
#include "proto/util/hurry.h"
#include "proto/util/listen_fds.h"
#include "proto/util/refuse_fds.h"

enum { BACKLOG = 128 };

static int room_make(const struct sockaddr_un *address)
{
	const char *why, *path = address->sun_path;
	int r = stale_socket_remove(AT_FDCWD, path, address, &why);

	if (r && why)
		return cli_fail("qmp", "%s %s: left alone", path, why);
	return r ? cli_fail("qmp", "cannot remove the stale socket %s: %s", path, strerror(-r))
		 : CLI_OK;
}

static int bind_at(int fd, const char *path)
{
	struct sockaddr_un address;
	const struct sockaddr *a = (const struct sockaddr *)&address;

	if (unix_address_init(&address, path))
		return cli_fail("qmp", "%s: a socket's path has 1 to %zu bytes", path,
				sizeof(address.sun_path) - 1);
	if (!bind(fd, a, sizeof(address)))
		return CLI_OK;
	if (errno == EADDRINUSE) {
		if (room_make(&address))
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
	socket_refuse_fds(fd);
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
	hurry_begin(); /* with all that nobody accepted */
	fd_closep(&l->fd);
	hurry_end();
}

int qmp_activation_take(struct qmp_listener *ret, int *ret_connection)
{
	int fd = LISTEN_FDS_FIRST, err, n;
	const char *why;

	n = listen_fds_count(&why);
	if (n == 0)
		return CLI_OK;
	if (n < 0)
		return cli_fail("qmp", "%s", why);
	if (n != 1)
		return cli_fail("qmp", "LISTEN_FDS is %d: exactly one socket can be served", n);
	err = listen_fd_take(fd, SOCK_STREAM);
	if (err == -EINVAL)
		return cli_fail("qmp", "the fd of LISTEN_FDS is not a UNIX stream socket: "
				       "use ListenStream= in the socket unit");
	if (err)
		return cli_fail("qmp", "the fd of LISTEN_FDS: %s", strerror(-err));
	if (socket_is_listening(fd))
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
	socket_refuse_fds(fd);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len))
		return -errno;
	*ret_uid = who.uid;
	*ret_fd = fd_take(&fd);
	return 0;
}
