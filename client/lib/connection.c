/* SPDX-License-Identifier: MIT */
/*
 * A connection to the broker.  It must never block past its deadline, raise a
 * signal, or leave an fd of a refused reply open.
 */
#include "client/lib/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "proto/util/deadline.h"
#include "proto/util/fd.h"

/* How often it asks for a place in the backlog between two waits for one: 5 ms or so. */
#define ASK_TIMES    64
#define ASK_EVERY_NS 20000

int connection_fail(struct rssb *c, int error, const char *format, ...)
{
	va_list args;

	errno = -error;
	va_start(args, format);
	vsnprintf(c->reason, sizeof(c->reason), format, args);
	va_end(args);
	text_sanitize(c->reason); /* part of it may come from another process */
	return error;
}

void fd_close_at_once(int *fd)
{
	const struct linger none = { 0 };

	if (*fd >= 0)
		setsockopt(*fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)); /* if it is one */
	fd_closep(fd);
}

void connection_refuse_fds(struct packet *p)
{
	while (p->n_fds)
		fd_close_at_once(&p->fds[--p->n_fds]);
}

/* The same for a failure after which nobody knows whose reply comes next. */
static int fail_for_good(struct rssb *c, int error, const char *why)
{
	fd_closep(&c->sock);
	return connection_fail(c, error, "%s", why);
}

static int connect_reason(struct rssb *c, int error, const char *path)
{
	switch (-error) {
	case ENOENT:
		return connection_fail(c, error, "no broker: %s does not exist", path);
	case ECONNREFUSED:
		return connection_fail(c, error, "no broker listens on %s", path);
	case EACCES:
		return connection_fail(c, error, "%s is not for this user", path);
	case EPROTOTYPE:
		return connection_fail(c, error, "%s is another service's socket", path);
	case ETIMEDOUT:
		return connection_fail(c, error, "the broker on %s accepts no connection", path);
	default:
		return connection_fail(c, error, "cannot connect to %s: %m", path);
	}
}

/* -EAGAIN: the broker's backlog is full. */
static int connect_try(int sock, const struct sockaddr_un *addr)
{
	if (connect(sock, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		return 0;
	return errno == EINTR ? -EAGAIN : -errno;
}

static int connect_by_asking(int sock, const struct sockaddr_un *addr)
{
	const struct timespec pause = { .tv_nsec = ASK_EVERY_NS };
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < ASK_TIMES; i++) {
		nanosleep(&pause, NULL);
		r = connect_try(sock, addr);
	}
	return r;
}

/* A blocking connect() waits in the kernel, as long as SO_SNDTIMEO says. */
static int connect_by_waiting(int sock, const struct sockaddr_un *addr, int wait_ms)
{
	const struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };
	int r;

	if (setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) ||
	    fcntl(sock, F_SETFL, 0))
		return -errno;
	r = connect_try(sock, addr);
	return fcntl(sock, F_SETFL, O_NONBLOCK) ? -errno : r;
}

/*
 * Usually there is room in the backlog, and one system call is all it takes.  While there is none
 * the kernel wakes those who wait in connect() in the order of their coming, and one user may
 * have thousands of threads there; but each place that is free goes to whoever asks first.  So
 * this one asks again and again.  Against others who ask all the time waiting is the better way:
 * so it does both by turns.
 */
static int connect_until(int sock, const struct sockaddr_un *addr, int64_t deadline)
{
	int r = connect_try(sock, addr);

	for (int wait_ms = 1; r == -EAGAIN; wait_ms++) {
		int left = deadline_left_ms(deadline);

		if (left == 0)
			return -ETIMEDOUT;
		r = connect_by_asking(sock, addr);
		if (r == -EAGAIN)
			r = connect_by_waiting(sock, addr,
					       left > 0 && left < wait_ms ? left : wait_ms);
	}
	return r;
}

int connection_open(struct rssb *c, const char *path)
{
	int64_t deadline = deadline_in(c->timeout_ms);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_fd_ int sock = -1;
	int r;

	if (!*path)
		return connection_fail(c, -ENOENT, "no broker: the path is empty");
	if (strlen(path) >= sizeof(addr.sun_path))
		return connection_fail(c, -ENAMETOOLONG,
				       "a socket's path has at most %zu bytes: %s",
				       sizeof(addr.sun_path) - 1, path);
	strcpy(addr.sun_path, path);

	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return connection_fail(c, -errno, "cannot make a socket: %m");
	r = connect_until(sock, &addr, deadline);
	if (r)
		return connect_reason(c, r, path);

	c->sock = fd_take(&sock);
	return 0;
}

/* Waits for events, an error or a hang-up; what it was the next call tells. */
static int wait_for(const struct rssb *c, short events, int64_t deadline)
{
	struct pollfd p = { .fd = c->sock, .events = events };
	int n;

	do {
		n = poll(&p, 1, deadline_left_ms(deadline));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

static int send_until(const struct rssb *c, const void *data, size_t len, int64_t deadline)
{
	int r;

	while ((r = packet_send(c->sock, data, len, NULL, 0)) == -EAGAIN) {
		r = wait_for(c, POLLOUT, deadline);
		if (r)
			return r;
	}
	return r;
}

/* Receives before it waits: on the same CPU the broker has often answered before send() returns. */
static int recv_until(const struct rssb *c, struct packet *p, int64_t deadline)
{
	int r;

	while ((r = packet_recv(c->sock, p)) == -EAGAIN) {
		r = wait_for(c, POLLIN, deadline);
		if (r)
			return r;
	}
	if (r != -ECONNRESET)
		return r;

	/* A broker that hung up with our request unread resets the connection;
	 * what it said before is still queued behind that error. */
	connection_refuse_fds(p);
	return packet_recv(c->sock, p);
}

static int transfer(struct rssb *c, const void *data, size_t len, struct packet *ret)
{
	int64_t deadline = deadline_in(c->timeout_ms);
	int r = send_until(c, data, len, deadline);

	/* The broker may have refused this connection, and said why, before it read the request. */
	if (r == 0 || r == -EPIPE || r == -ECONNRESET)
		r = recv_until(c, ret, deadline);

	switch (-r) {
	case 0:
	case EBADMSG: /* some fds were refused here: the reply says how many were sent */
		return 0;
	case ETIMEDOUT:
		return fail_for_good(c, r, "the broker does not answer");
	case EMSGSIZE:
		return fail_for_good(c, -EPROTO, "the broker's reply is too long");
	case ECONNRESET:
	case EAGAIN:
		return fail_for_good(c, -ECONNRESET, "the broker closed the connection");
	default:
		return fail_for_good(c, r, "the connection to the broker failed");
	}
}

/* Whether *reply answers the request; a refusal from before it was read may. */
static bool is_answer(const struct rssb *c, unsigned op, const struct rssb_reply *reply)
{
	if (reply->header.op == RSSB_OP_REPLY)
		return reply->status != RSSB_OK &&
		       (!reply->header.tag || reply->header.tag == c->tag);
	return reply->header.op == (op | RSSB_OP_REPLY) && reply->header.tag == c->tag;
}

static int status_errno(unsigned status)
{
	static const int errors[] = {
		[RSSB_OK] = 0,
		[RSSB_MALFORMED] = -EPROTO,
		[RSSB_VERSION] = -EPROTONOSUPPORT,
		[RSSB_UNKNOWN_OP] = -ENOSYS,
		[RSSB_INVALID] = -EINVAL,
		[RSSB_DENIED] = -EACCES,
		[RSSB_NO_OBJECT] = -ENOENT,
		[RSSB_NO_GRANT] = -ENOENT,
		[RSSB_LABEL_TAKEN] = -EEXIST,
		[RSSB_BUSY] = -EAGAIN,
		[RSSB_LIMIT] = -EDQUOT,
		[RSSB_INTERNAL] = -EREMOTEIO,
		[RSSB_WRONG_KIND] = -EOPNOTSUPP,
		[RSSB_TIMEOUT] = -ETIMEDOUT,
	};

	return status < sizeof(errors) / sizeof(errors[0]) ? errors[status] : -EPROTO;
}

static int refused(struct rssb *c, const struct rssb_reply *reply)
{
	int error = status_errno(reply->status);

	c->retry_ms = reply->retry_ms;
	if (error == -EPROTO || error == -EPROTONOSUPPORT || error == -ETIMEDOUT)
		fd_closep(&c->sock);
	if (!reply->reason[0])
		return connection_fail(c, error, "the broker refuses: %s",
				       rssb_status_name(reply->status));
	return connection_fail(c, error, "%s", reply->reason);
}

static int judge(struct rssb *c, unsigned op, const struct packet *p, union rssb_reply_any *ret)
{
	int r = rssb_reply_decode(ret, p->data, p->len);

	if (r == -EPROTONOSUPPORT)
		return fail_for_good(c, r, "the broker speaks another version of the protocol");
	if (r || !is_answer(c, op, &ret->base) || p->n_fds > ret->base.n_fds)
		return fail_for_good(c, -EPROTO, "the broker's reply is not one of this protocol");
	if (ret->base.status != RSSB_OK)
		return refused(c, &ret->base);
	if (p->n_fds < ret->base.n_fds)
		return connection_fail(c, -EBADMSG,
				       "%zu of %u fds arrived: refused by an LSM or fd limit "
				       "(ausearch -m avc -ts recent; ulimit -n)",
				       p->n_fds, ret->base.n_fds);
	return 0;
}

int connection_exchange(struct rssb *c, union rssb_request *request, union rssb_reply_any *ret,
			struct packet *ret_packet)
{
	unsigned op = request->header.op;
	size_t len;
	int r;

	c->retry_ms = 0;
	if (c->sock < 0)
		return connection_fail(c, -ENOTCONN, "the connection has failed before");

	request->header.tag = ++c->tag;
	len = rssb_request_encode(request);
	ret_packet->n_fds = ret_packet->len = 0;
	r = transfer(c, request, len, ret_packet);
	if (!r)
		r = judge(c, op, ret_packet, ret);
	if (r)
		connection_refuse_fds(ret_packet);
	return r;
}

int connection_ask(struct rssb *c, union rssb_request *request, union rssb_reply_any *ret)
{
	struct packet p;
	int r = connection_exchange(c, request, ret, &p);

	if (r)
		return r;
	if (p.n_fds) {
		connection_refuse_fds(&p);
		return connection_fail(c, -EPROTO,
				       "the broker's reply has fds that belong to none");
	}
	return 0;
}
