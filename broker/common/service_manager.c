/* SPDX-License-Identifier: MIT */
/* What a service manager passes: LISTEN_FDS and NOTIFY_SOCKET, both stable protocols. */
#include "broker/common/service_manager.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/common/log.h"
#include "proto/fd.h"
#include "proto/packet.h"
#include "proto/passrights.h"

#define FIRST_FD 3

void service_manager_read(struct service_manager *ret)
{
	const char *n = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	const char *notify = getenv("NOTIFY_SOCKET"), *watchdog = getenv("WATCHDOG_USEC");

	*ret = (struct service_manager)SERVICE_MANAGER_INIT;
	/* For another process of our ancestry: not ours to take. */
	if (n && pid && strtol(pid, NULL, 10) == (long)getpid() && strtol(n, NULL, 10) > 0)
		ret->n_fds = (int)strtol(n, NULL, 10);
	if (notify && strlen(notify) < sizeof(ret->notify))
		strcpy(ret->notify, notify);
	if (watchdog)
		ret->watchdog_ms = (unsigned)(strtoul(watchdog, NULL, 10) / 1000);
}

static int option_int(int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) ? -errno : value;
}

int service_manager_take(const struct service_manager *a, int *ret_sock)
{
	int fd = FIRST_FD;

	if (a->n_fds != 1) {
		log_line(LOG_ERR, "LISTEN_FDS is %d, exactly one socket can be served", a->n_fds);
		return -EINVAL;
	}
	if (option_int(fd, SO_DOMAIN) != AF_UNIX || option_int(fd, SO_TYPE) != SOCK_SEQPACKET ||
	    option_int(fd, SO_ACCEPTCONN) != 1) {
		log_line(LOG_ERR,
			 "fd %d of LISTEN_FDS is not a listening UNIX SOCK_SEQPACKET "
			 "socket: use ListenSequentialPacket= in the socket unit",
			 fd);
		return -EINVAL;
	}
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, O_NONBLOCK))
		return log_error(-errno, "cannot set up the socket of LISTEN_FDS");
	passrights_refuse(fd);
	*ret_sock = fd;
	return 0;
}

void service_manager_connect(struct service_manager *a)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(a->notify);
	_cleanup_fd_ int sock = -1;

	if (!len)
		return;
	memcpy(address.sun_path, a->notify, len);
	if (address.sun_path[0] == '@')
		address.sun_path[0] = '\0'; /* an abstract name */
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&address,
				offsetof(struct sockaddr_un, sun_path) + len))
		log_warning("cannot reach NOTIFY_SOCKET: %s", strerrordesc_np(errno));
	else
		a->sock = fd_take(&sock);
}

int service_manager_notify(const struct service_manager *a, const char *state)
{
	int err = a->sock < 0 ? 0 : packet_send(a->sock, state, strlen(state), NULL, 0);

	if (err && err != -EAGAIN)
		log_warning("cannot tell the service manager %s: %s", state, strerrordesc_np(-err));
	return err;
}
