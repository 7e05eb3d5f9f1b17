/* SPDX-License-Identifier: MIT */
/*
 * The loader process.  Must never see a byte that a client sent: all that
 * reaches it is the number of an object.
 */
#include "broker/loader/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/common/loader_protocol.h"
#include "broker/common/log.h"
#include "broker/loader/template.h"
#include "proto/packet.h"
#include "proto/util/fd.h"

/* The limit on fds in flight is per uid and passes: the loader reports the failure and goes on. */
static int send_set(int sock, struct loader_reply *reply, const struct set_fds *set)
{
	size_t n = set_fds_count(set);
	int err = packet_send(sock, reply, sizeof(*reply), set->list, n);

	if (!err || !n)
		return err;
	reply->err = err;
	return packet_send(sock, reply, sizeof(*reply), NULL, 0);
}

static int answer(int sock, const struct templates *templates, uint32_t object)
{
	struct loader_reply reply = { .object = object };
	struct set_fds set = SET_FDS_INIT;
	int err;

	reply.err = object < templates->n ? template_make(&templates->list[object], &set) : -ENOENT;
	err = send_set(sock, &reply, &set);
	set_fds_done(&set);
	return err;
}

/* Returns when the front has ended. */
static int serve(int sock, const struct templates *templates)
{
	const struct loader_reply ready = { .object = OBJECT_NONE };
	struct loader_request request;
	int err = packet_send(sock, &ready, sizeof(ready), NULL, 0);

	if (err && err != -EPIPE) /* from here on the front notices and logs the loader's end */
		log_error(err, "the loader cannot say that it is ready");
	while (!err) {
		struct packet p;

		err = packet_recv(sock, &p);
		if (!err && (p.len != sizeof(request) || p.n_fds))
			err = -EBADMSG;
		packet_done(&p);
		if (!err) {
			memcpy(&request, p.data, sizeof(request));
			err = answer(sock, templates, request.object);
		}
	}
	return err;
}

/* The front ends the loader by closing its socket; a terminal's Ctrl-C reaches both. */
static void ignore_signals(void)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
}

/* The line to the front, and the BTF of each object. */
static int fds_keep(int sock, const struct templates *templates)
{
	int keep[1 + OBJECTS_MAX] = { sock };
	size_t n = 1;

	for (size_t i = 0; i < templates->n; i++)
		if (templates->list[i].btf_fd >= 0)
			keep[n++] = templates->list[i].btf_fd;
	return privileges_keep_fds(keep, n);
}

static int loader_main(int sock, const struct templates *templates, const struct identity *id,
		       enum privileges_caps caps, pid_t parent)
{
	int err;

	prctl(PR_SET_NAME, "rss-loader", 0, 0, 0);
	ignore_signals();
	if ((err = fds_keep(sock, templates)) || (err = privileges_drop(id, caps)) ||
	    (err = privileges_end_with_parent(parent)) || (err = seccomp_start(PROCESS_LOADER)))
		return err;
	return serve(sock, templates);
}

int loader_start(const struct templates *templates, const struct identity *id,
		 enum privileges_caps caps, int *ret_sock, pid_t *ret_pid)
{
	_cleanup_fd_ int front = -1, loader = -1;
	const pid_t parent = getpid();
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return log_error(-errno, "cannot make a socket pair");
	front = pair[0];
	loader = pair[1];
	pid = fork();
	if (pid < 0)
		return log_error(-errno, "cannot start the loader");
	if (!pid) {
		/* _exit: nothing of the parent's may be flushed or undone here. */
		_exit(loader_main(loader, templates, id, caps, parent) == -ECONNRESET
			      ? EXIT_SUCCESS
			      : EXIT_FAILURE);
	}
	*ret_sock = fd_take(&front);
	*ret_pid = pid;
	return 0;
}
