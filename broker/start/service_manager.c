/* SPDX-License-Identifier: MIT */
/* What a service manager passes: LISTEN_FDS and NOTIFY_SOCKET, both stable protocols. */
#include "broker/start/service_manager.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/common/log.h"
#include "proto/fd.h"
#include "proto/listen_fds.h"
#include "proto/packet.h"

#define READY_WAIT_S 5

int service_manager_read(struct service_manager *ret)
{
	const char *notify = getenv("NOTIFY_SOCKET"), *why;

	*ret = (struct service_manager)SERVICE_MANAGER_INIT;
	ret->n_fds = listen_fds_count(&why);
	if (ret->n_fds < 0) {
		log_line(LOG_ERR, "%s", why);
		return ret->n_fds;
	}
	/* The service manager would end the service: nothing here says WATCHDOG=1. */
	if (getenv("WATCHDOG_USEC") && notify) {
		log_line(LOG_ERR, "WATCHDOG_USEC is set, and the broker answers no watchdog: "
				  "remove WatchdogSec= from its unit");
		return -EINVAL;
	}
	if (notify && strlen(notify) < sizeof(ret->notify))
		strcpy(ret->notify, notify);
	return 0;
}

int service_manager_take(const struct service_manager *a, int *ret_sock)
{
	const int fd = LISTEN_FDS_FIRST;
	int err;

	if (a->n_fds != 1) {
		log_line(LOG_ERR, "LISTEN_FDS is %d, exactly one socket can be served", a->n_fds);
		return -EINVAL;
	}
	err = socket_is_listening(fd) ? listen_fd_take(fd, SOCK_SEQPACKET) : -EINVAL;
	if (err == -EINVAL) {
		log_line(LOG_ERR,
			 "fd %d of LISTEN_FDS is not a listening UNIX SOCK_SEQPACKET "
			 "socket: use ListenSequentialPacket= in the socket unit",
			 fd);
		return err;
	}
	if (err)
		return log_error(err, "cannot set up the socket of LISTEN_FDS");
	*ret_sock = fd;
	return 0;
}

void service_manager_connect(struct service_manager *a)
{
	const struct timeval wait = { .tv_sec = READY_WAIT_S };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(a->notify);
	_cleanup_fd_ int sock = -1;

	if (!len)
		return;
	memcpy(address.sun_path, a->notify, len);
	if (address.sun_path[0] == '@')
		address.sun_path[0] = '\0'; /* an abstract name */
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) ||
	    connect(sock, (struct sockaddr *)&address,
		    offsetof(struct sockaddr_un, sun_path) + len))
		log_warning("cannot reach NOTIFY_SOCKET: %s", strerrordesc_np(errno));
	else
		a->sock = fd_take(&sock);
}

void service_manager_say_ready(struct service_manager *a)
{
	static const char state[] = "READY=1";
	int err = a->sock < 0 ? 0 : packet_send(a->sock, state, strlen(state), NULL, 0);

	if (err)
		log_warning("cannot tell the service manager %s: %s", state, strerrordesc_np(-err));
	fd_closep(&a->sock);
}
