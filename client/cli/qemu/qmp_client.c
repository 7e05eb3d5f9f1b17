/* SPDX-License-Identifier: MIT */
/* A QMP client: one command, one answer, one after the other. */
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client/cli/qemu/qmp_client.h"
#include "client/cli/util/mem.h"
#include "proto/deadline.h"
#include "proto/fd.h"

/* The longest that we ask for, request-ebpf, has 27 KiB; one without an end would fill our memory.
 */
#define MESSAGE_MAX (4u << 20)

struct qmp_client {
	int fd;
	int timeout_ms;
	struct json_tokener *parser;
	struct json_object *greeting;
	struct json_object *error; /* of the last refusal */
	char buf[16384];
	size_t start, end; /* bytes of buf that were read and not parsed yet */
};

static int wait_for(const struct qmp_client *q, short events, int64_t deadline)
{
	struct pollfd p = { .fd = q->fd, .events = events };

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

static int fill(struct qmp_client *q, int64_t deadline)
{
	ssize_t n;
	int r = wait_for(q, POLLIN, deadline);

	if (r)
		return r;
	n = recv(q->fd, q->buf, sizeof(q->buf), MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	q->start = 0;
	q->end = n;
	return n ? 0 : -ECONNRESET;
}

static int receive(struct qmp_client *q, int64_t deadline, struct json_object **ret)
{
	size_t len = 0;

	while (len <= MESSAGE_MAX) {
		struct json_object *message;
		int r;

		if (q->start == q->end && (r = fill(q, deadline)))
			return r;
		message = json_tokener_parse_ex(q->parser, q->buf + q->start,
						(int)(q->end - q->start));
		q->start += json_tokener_get_parse_end(q->parser);
		len += json_tokener_get_parse_end(q->parser);
		if (message) {
			*ret = message;
			return 0;
		}
		if (json_tokener_get_error(q->parser) != json_tokener_continue)
			return -EPROTO;
	}
	return -EMSGSIZE;
}

/*
 * The next message that is no event.  An event may come before anything else, the
 * greeting included: QEMU sends what it had queued for the monitor's last client.
 */
static int receive_no_event(struct qmp_client *q, int64_t deadline, struct json_object **ret)
{
	for (;;) {
		struct json_object *message;
		int r = receive(q, deadline, &message);

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
static ssize_t send_some(const struct qmp_client *q, const char *text, size_t len, int fd)
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
	return sendmsg(q->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int send_all(struct qmp_client *q, const char *text, int fd, int64_t deadline)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = send_some(q, text, left, fd);
		int r;

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return errno == EPIPE ? -ECONNRESET : -errno;
		if (n < 0 && (r = wait_for(q, POLLOUT, deadline)))
			return r;
		if (n > 0) {
			fd = -1; /* it went with the first byte */
			text += n;
			left -= n;
		}
	}
	return 0;
}

static int greeting_take(struct qmp_client *q)
{
	int r = receive_no_event(q, deadline_in(q->timeout_ms), &q->greeting);

	if (r)
		return r;
	return json_object_object_get_ex(q->greeting, "QMP", NULL) ? 0 : -EPROTO;
}

int qmp_client_open(struct qmp_client **ret, int *fd, int timeout_ms)
{
	struct qmp_client *q = mem_new(1, sizeof(*q));
	int r;

	q->fd = fd_take(fd);
	q->timeout_ms = timeout_ms;
	q->parser = mem_must(json_tokener_new());
	r = greeting_take(q);
	if (!r)
		r = qmp_client_execute(q, "qmp_capabilities", NULL, NULL);
	if (r)
		qmp_client_close(q);
	else
		*ret = q;
	return r;
}

struct qmp_client *qmp_client_close(struct qmp_client *q)
{
	if (!q)
		return NULL;
	fd_closep(&q->fd);
	json_tokener_free(q->parser);
	json_object_put(q->greeting);
	json_object_put(q->error);
	free(q);
	return NULL;
}

/* Judges an answer: 0, -EREMOTEIO or -EPROTO. */
static int answer_take(struct qmp_client *q, struct json_object *answer,
		       struct json_object **ret_value)
{
	struct json_object *part;

	if (json_object_object_get_ex(answer, "return", &part)) {
		if (ret_value)
			*ret_value = json_object_get(part);
		return 0;
	}
	if (json_object_object_get_ex(answer, "error", &part)) {
		q->error = json_object_get(part);
		return -EREMOTEIO;
	}
	return -EPROTO;
}

static int command_send(struct qmp_client *q, const char *command, struct json_object *arguments,
			int fd, int64_t deadline)
{
	_cleanup_json_ struct json_object *request = mem_must(json_object_new_object());
	_cleanup_free_ char *line = NULL;

	mem_json_set_string(request, "execute", command);
	if (arguments)
		mem_json_set(request, "arguments", arguments);
	line = mem_format("%s\n", mem_json_text(request, JSON_C_TO_STRING_PLAIN));
	return send_all(q, line, fd, deadline);
}

int qmp_client_execute_fd(struct qmp_client *q, const char *command, struct json_object *arguments,
			  int fd, struct json_object **ret_value)
{
	int64_t deadline = deadline_in(q->timeout_ms);
	_cleanup_json_ struct json_object *answer = NULL;
	int r = command_send(q, command, arguments, fd, deadline);

	json_object_put(q->error);
	q->error = NULL;
	if (!r)
		r = receive_no_event(q, deadline, &answer);
	return r ? r : answer_take(q, answer, ret_value);
}

int qmp_client_execute(struct qmp_client *q, const char *command, struct json_object *arguments,
		       struct json_object **ret_value)
{
	return qmp_client_execute_fd(q, command, arguments, -1, ret_value);
}

int qmp_client_event_wait(struct qmp_client *q, int timeout_ms)
{
	_cleanup_json_ struct json_object *message = NULL;
	int r = receive(q, deadline_in(timeout_ms), &message);

	if (r)
		return r;
	return json_object_object_get_ex(message, "event", NULL) ? 0 : -EPROTO;
}

const char *qmp_client_error(const struct qmp_client *q)
{
	struct json_object *desc = NULL;
	const char *text = NULL;

	if (json_object_object_get_ex(q->error, "desc", &desc))
		text = json_object_get_string(desc);
	return text ? text : "no reason given";
}

static int version_part(struct json_object *version, const char *part)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(version, part, &value);
	return json_object_get_int(value);
}

void qemu_version_read(struct json_object *version, int *ret_major, int *ret_minor)
{
	struct json_object *qemu = NULL;

	json_object_object_get_ex(version, "qemu", &qemu);
	*ret_major = version_part(qemu, "major");
	*ret_minor = version_part(qemu, "minor");
}

void qmp_client_version(const struct qmp_client *q, int *ret_major, int *ret_minor)
{
	struct json_object *about = NULL, *version = NULL;

	json_object_object_get_ex(q->greeting, "QMP", &about);
	json_object_object_get_ex(about, "version", &version);
	qemu_version_read(version, ret_major, ret_minor);
}
