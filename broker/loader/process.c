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
#include "proto/fd.h"
#include "proto/packet.h"

/* By number; loaded has a bit for each that is there. */
struct templates {
	uint32_t loaded;
	struct template list[OBJECTS_MAX];
};

_Static_assert(OBJECTS_MAX <= 32, "a bit each");

/* One that the kernel refuses is left out, but the first: nothing can be served then. */
static int templates_load(struct templates *ret, const struct objects *objects)
{
	for (size_t i = 0; i < objects->n; i++) {
		int err = template_load(&ret->list[i], &objects->list[i], objects->n_blocks);

		if (!err)
			ret->loaded |= 1u << i;
		else
			log_error(err, "object %s cannot be loaded and is left out",
				  objects->list[i].name);
		if (err && i == 0)
			return err;
	}
	return 0;
}

/* Too many fds of our uid may lie unread somewhere: a set that cannot be sent is weather. */
static int send_set(int sock, struct loader_reply *reply, const struct set_fds *set)
{
	int fds[SET_FDS_MAX];
	size_t n = set_fds_to_array(set, fds);
	int err = packet_send(sock, reply, sizeof(*reply), fds, n);

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

	reply.err = object < OBJECTS_MAX && (templates->loaded & 1u << object)
			    ? template_make(&templates->list[object], &set)
			    : -ENOENT;
	err = send_set(sock, &reply, &set);
	set_fds_done(&set);
	return err;
}

/* Returns when the front is gone. */
static int serve(int sock, const struct templates *templates)
{
	const struct loader_reply ready = { .object = OBJECT_NONE,
					    .err = (int32_t)templates->loaded };
	struct loader_request request;
	int err = packet_send(sock, &ready, sizeof(ready), NULL, 0);

	if (err && err != -EPIPE) /* from now on the front says that we are gone */
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

static int loader_main(int sock, const struct objects *objects, const struct identity *id,
		       enum privileges_caps caps)
{
	static struct templates templates;
	int err;

	ignore_signals();
	prctl(PR_SET_NAME, "rss-loader", 0, 0, 0);
	if ((err = privileges_keep_fd(sock)) || (err = privileges_drop(id, caps)) ||
	    (err = templates_load(&templates, objects)) || (err = seccomp_loader()))
		return err;
	return serve(sock, &templates);
}

int loader_start(const struct objects *objects, const struct identity *id,
		 enum privileges_caps caps, int *ret_sock, pid_t *ret_pid)
{
	_cleanup_fd_ int front = -1, loader = -1;
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
		_exit(loader_main(loader, objects, id, caps) == -ECONNRESET ? EXIT_SUCCESS
									    : EXIT_FAILURE);
	}
	*ret_sock = fd_take(&front);
	*ret_pid = pid;
	return 0;
}
