/* SPDX-License-Identifier: MIT */
/*
 * The front's end of the line to the loader.  Must never send anything but the
 * number of an object.
 */
#include "broker/front/loader_link.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "broker/common/loader_protocol.h"
#include "broker/common/log.h"
#include "proto/packet.h"
#include "proto/util/fd.h"

/* The loader logs its own failures, but cannot log that it was killed. */
static int loader_link_ended(const struct loader_link *l)
{
	int status;

	if (waitpid(l->pid, &status, 0) == l->pid && WIFSIGNALED(status))
		log_line(LOG_ERR, "the loader was killed by signal %d: %s", WTERMSIG(status),
			 sigdescr_np(WTERMSIG(status)) ?: "unknown");
	return -ECHILD;
}

int loader_link_wait_ready(struct loader_link *l)
{
	struct loader_reply ready;
	struct packet p;
	int err = packet_recv(l->sock, &p);

	packet_done(&p);
	if (err == -ECONNRESET)
		return loader_link_ended(l);
	if (err)
		return log_error(err, "cannot receive from the loader");
	memcpy(&ready, p.data, sizeof(ready));
	if (p.len != sizeof(ready) || ready.object != OBJECT_NONE)
		return log_error(-EBADMSG, "unexpected message from the loader");
	if (fcntl(l->sock, F_SETFL, O_NONBLOCK))
		return log_error(-errno, "cannot set up a socket pair");
	return 0;
}

int loader_link_ask(const struct loader_link *l, unsigned object)
{
	const struct loader_request request = { .object = object };

	return packet_send(l->sock, &request, sizeof(request), NULL, 0);
}

int loader_link_receive(const struct loader_link *l, struct loader_answer *ret)
{
	struct loader_reply reply;
	struct packet p;
	int err = packet_recv(l->sock, &p);
	bool cut = err == -EBADMSG; /* too few fds are free in the front, for a while */

	if (cut) {
		packet_done(&p);
		err = 0;
	}
	if (!err && (p.len != sizeof(reply) || p.n_fds > SET_FDS_MAX))
		err = -EBADMSG;
	if (!err) {
		memcpy(&reply, p.data, sizeof(reply));
		ret->object = reply.object;
		ret->err = cut ? -EMFILE : reply.err;
		ret->n_fds = p.n_fds;
		ret->fds = SET_FDS_INIT;
		for (size_t i = 0; i < p.n_fds; i++)
			ret->fds.list[i] = fd_take(&p.fds[i]);
	}
	packet_done(&p);
	return err;
}
