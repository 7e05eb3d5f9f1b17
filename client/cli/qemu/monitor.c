/* SPDX-License-Identifier: MIT */
/* QEMU's monitor over its socket, and through libvirt: two halves with the same functions. */
#include "client/cli/qemu/monitor.h"

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client/cli/qemu/qmp_client.h"
#include "client/cli/qemu/virsh.h"
#include "client/cli/util/mem.h"
#include "proto/fd.h"

enum { ANSWER_MS = 10000, ASK_AGAIN_MS = 250 };

struct monitor {
	struct qmp_client *qmp; /* NULL: through libvirt */
	const char *domain;	/* borrowed */
	pid_t pid;		/* 0: not known */
	char *why;
};

static int fail(struct monitor *m, int error, char *why)
{
	free(m->why);
	m->why = why;
	return error;
}

/* --- over a socket ---------------------------------------------------------- */

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

static pid_t socket_pid(int fd)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) ? 0 : peer.pid;
}

static int socket_open(struct monitor *m, const char *path)
{
	_cleanup_free_ char *why = NULL;
	_cleanup_fd_ int fd = -1;
	int r = socket_connect(&fd, path);

	m->pid = r ? 0 : socket_pid(fd);
	if (!r)
		r = qmp_client_open(&m->qmp, &fd, ANSWER_MS);
	if (!r)
		return 0;
	why = reason(r);
	return fail(m, r, mem_format("QEMU's monitor %s: %s", path, why));
}

static int socket_execute(struct monitor *m, const char *command, struct json_object *arguments,
			  int fd, struct json_object **ret_value)
{
	int r = qmp_client_execute_fd(m->qmp, command, arguments, fd, ret_value);

	if (r == -EREMOTEIO)
		return fail(m, r, mem_format("%s", qmp_client_error(m->qmp)));
	return r ? fail(m, r, reason(r)) : 0;
}

/* --- through libvirt -------------------------------------------------------- */

/* Reads QEMU's reply, which libvirt passes on unchanged. */
static int reply_take(struct monitor *m, const char *text, struct json_object **ret_value)
{
	_cleanup_json_ struct json_object *reply = json_tokener_parse(text);
	struct json_object *part, *desc;

	if (json_object_object_get_ex(reply, "return", &part)) {
		if (ret_value)
			*ret_value = json_object_get(part);
		return 0;
	}
	if (json_object_object_get_ex(reply, "error", &part) &&
	    json_object_object_get_ex(part, "desc", &desc))
		return fail(m, -EREMOTEIO, mem_format("%s", json_object_get_string(desc)));
	return fail(m, -EPROTO, mem_format("virsh did not print a QMP reply"));
}

static int libvirt_execute(struct monitor *m, const char *command, struct json_object *arguments,
			   int fd, struct json_object **ret_value)
{
	_cleanup_json_ struct json_object *request = mem_must(json_object_new_object());
	_cleanup_free_ char *reply = NULL;
	char *why = NULL;
	int r;

	mem_json_set_string(request, "execute", command);
	if (arguments)
		mem_json_set(request, "arguments", arguments);
	r = virsh_monitor_command(m->domain, mem_json_text(request, JSON_C_TO_STRING_PLAIN), fd,
				  ANSWER_MS, &reply, &why);
	if (r)
		/* Not -EREMOTEIO: it was not QEMU that refused. */
		return fail(m, r == -EREMOTEIO ? -ENOTCONN : r, why);
	return reply_take(m, reply, ret_value);
}

/* --- either ----------------------------------------------------------------- */

struct monitor *monitor_open(const char *qmp, const char *domain, char **ret_why)
{
	struct monitor *m = mem_new(1, sizeof(*m));
	int r;

	m->domain = domain;
	r = qmp ? socket_open(m, qmp) : monitor_execute(m, "query-version", NULL, -1, NULL);
	if (!r)
		return m;
	*ret_why = mem_format("%s", monitor_why(m));
	return monitor_close(m);
}

struct monitor *monitor_close(struct monitor *m)
{
	if (!m)
		return NULL;
	qmp_client_close(m->qmp);
	free(m->why);
	free(m);
	return NULL;
}

pid_t monitor_pid(const struct monitor *m)
{
	return m->pid;
}

int monitor_execute(struct monitor *m, const char *command, struct json_object *arguments, int fd,
		    struct json_object **ret_value)
{
	return m->qmp ? socket_execute(m, command, arguments, fd, ret_value)
		      : libvirt_execute(m, command, arguments, fd, ret_value);
}

int monitor_wait(struct monitor *m, int timeout_ms)
{
	int moment = timeout_ms < ASK_AGAIN_MS ? timeout_ms : ASK_AGAIN_MS;
	int r = 0;

	if (!m->qmp)
		poll(NULL, 0, moment);
	else
		r = qmp_client_event_wait(m->qmp, timeout_ms);
	return r && r != -ETIMEDOUT ? fail(m, r, reason(r)) : r;
}

const char *monitor_why(const struct monitor *m)
{
	return m->why ? m->why : "";
}
