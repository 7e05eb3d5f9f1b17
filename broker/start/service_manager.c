/* SPDX-License-Identifier: MIT */
/* What a service manager passes: LISTEN_FDS, NOTIFY_SOCKET, WATCHDOG_USEC: stable protocols. */
#include "broker/start/service_manager.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/common/clock.h"
#include "broker/common/log.h"
#include "proto/packet.h"
#include "proto/util/fd.h"
#include "proto/util/listen_fds.h"
#include "proto/util/option_table.h"

#define READY_WAIT_S	  5
#define WATCHDOG_USEC_MIN 1000000ull
#define WATCHDOG_DIGITS	  15 /* some 30 years */

/* Twice in the time after which the service manager would end the service. */
static int watchdog_read(uint64_t *ret_every_ms)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	unsigned whose = (unsigned)getpid();
	size_t n;

	if (usec && pid && option_number(pid, 1, 1 << 30, &whose)) {
		log_line(LOG_ERR, "WATCHDOG_PID is not the number of a process");
		return -EINVAL;
	}
	if (!usec || whose != (unsigned)getpid())
		return 0; /* set for a process that started this one */
	n = strspn(usec, "0123456789");
	if (usec[n] || n > WATCHDOG_DIGITS || strtoull(usec, NULL, 10) < WATCHDOG_USEC_MIN) {
		log_line(LOG_ERR,
			 "WATCHDOG_USEC is not a number from %llu, a second, with at most "
			 "%d digits: change WatchdogSec= in the unit",
			 WATCHDOG_USEC_MIN, WATCHDOG_DIGITS);
		return -EINVAL;
	}
	*ret_every_ms = strtoull(usec, NULL, 10) / 2000;
	return 0;
}

static int notify_read(struct service_manager *ret)
{
	const char *notify = getenv("NOTIFY_SOCKET");

	if (!notify)
		return 0;
	if (strlen(notify) >= sizeof(ret->notify)) {
		log_line(LOG_ERR, "NOTIFY_SOCKET has %zu bytes, at most %zu are possible",
			 strlen(notify), sizeof(ret->notify) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(ret->notify, notify);
	return 0;
}

int service_manager_read(struct service_manager *ret)
{
	const char *why;

	*ret = (struct service_manager){ .sock = -1 };
	ret->n_fds = listen_fds_count(&why);
	if (ret->n_fds < 0) {
		log_line(LOG_ERR, "%s", why);
		return ret->n_fds;
	}
	return watchdog_read(&ret->watchdog_ms) ?: notify_read(ret);
}

static bool socket_is_shut_down(int fd)
{
	struct pollfd p = { .fd = fd };

	return socket_is_listening(fd) && poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

int service_manager_take(const struct service_manager *a, int *ret_sock)
{
	const int fd = LISTEN_FDS_FIRST;
	int err;

	if (a->n_fds != 1) {
		log_line(LOG_ERR, "LISTEN_FDS is %d, exactly one socket can be served", a->n_fds);
		return -EINVAL;
	}
	/* By a taken-over front: the socket is the service manager's, and outlives it. */
	if (socket_is_shut_down(fd)) {
		log_line(LOG_ERR, "the socket of LISTEN_FDS was shut down: restart the socket unit "
				  "(systemctl restart rss-broker.socket)");
		return -ESHUTDOWN;
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

/* The line moves to WATCHDOG_FD, and never waits from here on. */
static void watchdog_begin(const struct service_manager *a, struct watchdog *ret)
{
	if (fcntl(a->sock, F_SETFL, O_NONBLOCK) || dup3(a->sock, WATCHDOG_FD, O_CLOEXEC) < 0) {
		log_warning("cannot answer the watchdog: %s", strerrordesc_np(errno));
		return;
	}
	*ret = (struct watchdog){ a->watchdog_ms, clock_ms() + a->watchdog_ms };
}

void service_manager_say_ready(struct service_manager *a, struct watchdog *ret)
{
	static const char state[] = "READY=1";
	int err = a->sock < 0 ? 0 : packet_send(a->sock, state, strlen(state), NULL, 0);

	if (err)
		log_warning("cannot tell the service manager %s: %s", state, strerrordesc_np(-err));
	if (a->sock >= 0 && a->watchdog_ms)
		watchdog_begin(a, ret);
	fd_closep(&a->sock);
}
