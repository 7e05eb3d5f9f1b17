/* SPDX-License-Identifier: MIT */
/*
 * A QMP client: one command, one reply, one after the other.  A peer that is silent, gone, never
 * stops sending events, or is no QMP server ends in an error, never in a hang.
 */
#include "client/cli/qemu/monitor.h"

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client/cli/qemu/opts.h"
#include "client/cli/qemu/virsh.h"
#include "client/cli/util/mem.h"
#include "proto/util/deadline.h"
#include "proto/util/fd.h"

enum {
	ANSWER_MS = 10000,
	ASK_AGAIN_MS = 250,
	MESSAGE_MAX = 4 << 20, /* the longest that is asked for, request-ebpf, has 27 KiB */
};

struct monitor {
	const char *domain; /* borrowed; NULL: over fd */
	int fd;
	int timeout_ms; /* of each command */
	int64_t until;	/* of all commands */
	struct json_tokener *parser;
	struct json_object *greeting;
	char *why; /* of the last failure */
	char buf[16384];
	size_t start, end; /* bytes of buf that were read and not parsed yet */
};

static int fail(struct monitor *m, int error, char *why)
{
	free(m->why);
	m->why = why;
	return error;
}

static char *reason(int r)
{
	switch (r) {
	case -ETIMEDOUT:
		return mem_format("no answer (a QMP socket serves one client at a time: is there "
				  "another?)");
	case -ECONNRESET:
		return mem_format("it hung up");
	case -EPROTO:
		return mem_format("it answers something else than QMP");
	default:
		return mem_format("%s", strerror(-r));
	}
}

/* --- over a socket ---------------------------------------------------------- */

static int socket_connect(int *ret, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* connect(2) waits while the backlog is full, and QEMU's has room for one client. */
	if (fd >= 0) {
		const struct timeval limit = { .tv_sec = ANSWER_MS / 1000 };

		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	}
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	*ret = fd_take(&fd);
	return 0;
}

static int wait_for(const struct monitor *m, short events, int64_t deadline)
{
	struct pollfd p = { .fd = m->fd, .events = events };

	for (;;) {
		int r = poll(&p, 1, deadline_left_ms(deadline));

		if (r > 0)
			return 0;
		if (r == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int fill(struct monitor *m, int64_t deadline)
{
	ssize_t n;
	int r = wait_for(m, POLLIN, deadline);

	if (r)
		return r;
	n = recv(m->fd, m->buf, sizeof(m->buf), MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	m->start = 0;
	m->end = n;
	return n ? 0 : -ECONNRESET;
}

static int receive(struct monitor *m, int64_t deadline, struct json_object **ret)
{
	size_t len = 0;

	while (len <= MESSAGE_MAX) {
		struct json_object *message;
		int r;

		if (m->start == m->end && (r = fill(m, deadline)))
			return r;
		message = json_tokener_parse_ex(m->parser, m->buf + m->start,
						(int)(m->end - m->start));
		m->start += json_tokener_get_parse_end(m->parser);
		len += json_tokener_get_parse_end(m->parser);
		if (message) {
			*ret = message;
			return 0;
		}
		if (json_tokener_get_error(m->parser) != json_tokener_continue)
			return -EPROTO;
	}
	return -EMSGSIZE;
}

/*
 * The next message that is no event.  An event may come before anything else, the
 * greeting included: QEMU sends what it had queued for the monitor's last client.
 */
static int receive_no_event(struct monitor *m, int64_t deadline, struct json_object **ret)
{
	for (;;) {
		struct json_object *message;
		int r = receive(m, deadline, &message);

		if (r)
			return r;
		if (!json_object_object_get_ex(message, "event", NULL)) {
			*ret = message;
			return 0;
		}
		json_object_put(message);
		if (deadline_left_ms(deadline) == 0)
			return -ETIMEDOUT; /* also of a peer that never stops sending events */
	}
}

/* send(2), with an fd unless that is -1. */
static ssize_t send_some(const struct monitor *m, const char *text, size_t len, int fd)
{
	union {
		struct cmsghdr head;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { .iov_base = (char *)text, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int));
	}
	return sendmsg(m->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int send_all(struct monitor *m, const char *text, int fd, int64_t deadline)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = send_some(m, text, left, fd);
		int r;

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return errno == EPIPE ? -ECONNRESET : -errno;
		if (n < 0 && (r = wait_for(m, POLLOUT, deadline)))
			return r;
		if (n > 0) {
			fd = -1; /* it went with the first byte */
			text += n;
			left -= n;
		}
	}
	return 0;
}

/* Of a command that begins now. */
static int64_t command_deadline(const struct monitor *m)
{
	const int64_t deadline = deadline_in(m->timeout_ms);

	return deadline < m->until ? deadline : m->until;
}

static int socket_exchange(struct monitor *m, const char *request, int fd, struct json_object **ret)
{
	const int64_t deadline = command_deadline(m);
	_cleanup_free_ char *line = mem_format("%s\n", request);
	int r = send_all(m, line, fd, deadline);

	if (!r)
		r = receive_no_event(m, deadline, ret);
	return r ? fail(m, r, reason(r)) : 0;
}

/* --- through libvirt -------------------------------------------------------- */

/* libvirt passes QEMU's reply on unchanged. */
static int libvirt_exchange(struct monitor *m, const char *request, int fd,
			    struct json_object **ret)
{
	_cleanup_free_ char *reply = NULL;
	char *why = NULL;
	int r = virsh_monitor_command(m->domain, request, fd, deadline_left_ms(command_deadline(m)),
				      &reply, &why);

	if (r)
		/* Not -EREMOTEIO: it was not QEMU that refused. */
		return fail(m, r == -EREMOTEIO ? -ENOTCONN : r, why);
	*ret = json_tokener_parse(reply);
	return 0;
}

/* --- either ----------------------------------------------------------------- */

static int reply_take(struct monitor *m, struct json_object *reply, struct json_object **ret_value)
{
	struct json_object *part;
	const char *desc;

	if (json_object_object_get_ex(reply, "return", &part)) {
		if (ret_value)
			*ret_value = json_object_get(part);
		return 0;
	}
	if (json_object_object_get_ex(reply, "error", &part)) {
		desc = qemu_opts_get(part, "desc");
		return fail(m, -EREMOTEIO, mem_format("%s", desc ? desc : "no reason given"));
	}
	return fail(m, -EPROTO,
		    m->domain ? mem_format("virsh did not print a QMP reply") : reason(-EPROTO));
}

int monitor_execute(struct monitor *m, const char *command, struct json_object *arguments, int fd,
		    struct json_object **ret_value)
{
	_cleanup_json_ struct json_object *request = mem_json_pair("execute", command);
	_cleanup_json_ struct json_object *reply = NULL;
	const char *text;
	int r;

	if (arguments)
		mem_json_set(request, "arguments", arguments);
	text = mem_json_text(request, JSON_C_TO_STRING_PLAIN);
	r = m->domain ? libvirt_exchange(m, text, fd, &reply)
		      : socket_exchange(m, text, fd, &reply);
	return r ? r : reply_take(m, reply, ret_value);
}

static struct monitor *monitor_new(const char *domain, int *fd, int timeout_ms)
{
	struct monitor *m = mem_new(1, sizeof(*m));

	m->domain = domain;
	m->fd = fd_take(fd);
	m->timeout_ms = timeout_ms;
	m->until = DEADLINE_NEVER;
	m->parser = mem_must(json_tokener_new());
	return m;
}

int monitor_open_fd(struct monitor **ret, int *fd, int timeout_ms)
{
	struct monitor *m = monitor_new(NULL, fd, timeout_ms);
	int r = receive_no_event(m, deadline_in(timeout_ms), &m->greeting);

	if (!r && !json_object_object_get_ex(m->greeting, "QMP", NULL))
		r = -EPROTO;
	if (!r)
		r = monitor_execute(m, "qmp_capabilities", NULL, -1, NULL);
	if (r)
		monitor_close(m);
	else
		*ret = m;
	return r;
}

struct monitor *monitor_open(const char *qmp, const char *domain, char **ret_why)
{
	_cleanup_free_ char *why = NULL;
	struct monitor *m = NULL;
	_cleanup_fd_ int fd = -1;
	int r = qmp ? socket_connect(&fd, qmp) : 0;

	if (qmp && !r)
		r = monitor_open_fd(&m, &fd, ANSWER_MS);
	if (r) {
		why = reason(r);
		*ret_why = mem_format("QEMU's monitor %s: %s", qmp, why);
	}
	if (qmp)
		return m;
	m = monitor_new(domain, &fd, ANSWER_MS);
	if (!monitor_execute(m, "query-version", NULL, -1, NULL))
		return m;
	*ret_why = mem_format("%s", m->why);
	return monitor_close(m);
}

struct monitor *monitor_close(struct monitor *m)
{
	if (!m)
		return NULL;
	fd_closep(&m->fd);
	json_tokener_free(m->parser);
	json_object_put(m->greeting);
	free(m->why);
	free(m);
	return NULL;
}

void monitor_limit(struct monitor *m, int all_ms)
{
	m->until = deadline_in(all_ms);
}

pid_t monitor_pid(const struct monitor *m)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	return getsockopt(m->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) ? 0 : peer.pid;
}

int monitor_wait(struct monitor *m, int timeout_ms)
{
	_cleanup_json_ struct json_object *message = NULL;
	int r = 0;

	if (m->domain)
		poll(NULL, 0, timeout_ms < ASK_AGAIN_MS ? timeout_ms : ASK_AGAIN_MS);
	else
		r = receive(m, deadline_in(timeout_ms), &message);
	if (message && !json_object_object_get_ex(message, "event", NULL))
		r = -EPROTO;
	return r && r != -ETIMEDOUT ? fail(m, r, reason(r)) : r;
}

const char *monitor_why(const struct monitor *m)
{
	return m->why ? m->why : "";
}

void qemu_version_read(struct json_object *version, int *ret_major, int *ret_minor)
{
	*ret_major = mem_json_int(version, "/qemu/major");
	*ret_minor = mem_json_int(version, "/qemu/minor");
}

void monitor_version(const struct monitor *m, int *ret_major, int *ret_minor)
{
	*ret_major = mem_json_int(m->greeting, "/QMP/version/qemu/major");
	*ret_minor = mem_json_int(m->greeting, "/QMP/version/qemu/minor");
}
