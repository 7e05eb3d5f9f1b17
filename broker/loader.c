/* SPDX-License-Identifier: MIT */
/*
 * The loader process.  Must never see a byte that a client sent: all that
 * reaches it is the number of an object.
 */
#include "loader.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"
#include "packet.h"
#include "template.h"

#define OBJECT_NONE UINT32_MAX /* in the first answer, whose err says what can be loaded */

struct loader_request {
	uint32_t object;
};

struct loader_reply {
	uint32_t object;
	int32_t err;
};

/* --- in the loader ----------------------------------------------------- */

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
		int err = template_load(&ret->list[i], &objects->list[i], objects->n_cpus);

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
		       enum sandbox_caps caps)
{
	static struct templates templates;
	int err;

	ignore_signals();
	prctl(PR_SET_NAME, "rss-loader", 0, 0, 0);
	if ((err = sandbox_keep_fd(sock)) || (err = sandbox_drop(id, caps)) ||
	    (err = templates_load(&templates, objects)) || (err = sandbox_seal_loader()))
		return err;
	return serve(sock, &templates);
}

/* --- in the front -------------------------------------------------------- */

int loader_start(struct loader *ret, const struct objects *objects, const struct identity *id,
		 enum sandbox_caps caps)
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
	ret->sock = fd_take(&front);
	ret->pid = pid;
	return 0;
}

/* It says itself at what it failed, but not that it was killed. */
static int loader_ended(const struct loader *l)
{
	int status;

	if (waitpid(l->pid, &status, 0) == l->pid && WIFSIGNALED(status))
		log_line(LOG_ERR, "the loader was killed by signal %d: %s", WTERMSIG(status),
			 sigdescr_np(WTERMSIG(status)) ?: "unknown");
	return -ECHILD;
}

int loader_wait_ready(struct loader *l, uint32_t *ret_numbers)
{
	struct loader_reply ready;
	struct packet p;
	int err = packet_recv(l->sock, &p);

	packet_done(&p);
	if (err == -ECONNRESET)
		return loader_ended(l);
	if (err)
		return log_error(err, "cannot hear from the loader");
	memcpy(&ready, p.data, sizeof(ready));
	if (p.len != sizeof(ready) || ready.object != OBJECT_NONE)
		return log_error(-EBADMSG, "the loader says what it should not");
	*ret_numbers = (uint32_t)ready.err;
	if (fcntl(l->sock, F_SETFL, O_NONBLOCK))
		return log_error(-errno, "cannot set up a socket pair");
	return 0;
}

int loader_ask(const struct loader *l, unsigned object)
{
	const struct loader_request request = { .object = object };

	return packet_send(l->sock, &request, sizeof(request), NULL, 0);
}

int loader_receive(const struct loader *l, struct loader_answer *ret)
{
	struct loader_reply reply;
	struct packet p;
	int err = packet_recv(l->sock, &p);
	bool cut = err == -EBADMSG; /* too few fds are free here: weather, not the loader's fault */

	if (cut) {
		packet_done(&p);
		err = 0;
	}
	if (!err && (p.len != sizeof(reply) || p.n_fds > SET_FDS_MAX))
		err = -EBADMSG;
	if (!err) {
		memcpy(&reply, p.data, sizeof(reply));
		ret->number = reply.object;
		ret->err = cut ? -EMFILE : reply.err;
		ret->n_fds = p.n_fds;
		set_fds_from_array(&ret->fds, p.fds, p.n_fds);
		p.n_fds = 0;
	}
	packet_done(&p);
	return err;
}

void loader_done(struct loader *l)
{
	fd_closep(&l->sock);
}
