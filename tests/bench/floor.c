// SPDX-License-Identifier: MIT
/*
 * The bare floor that the broker is measured against: accept, one request in,
 * one reply with five fds out, close.  It must never do anything else: no
 * checks, no epoll, no fd of its own for each client, nothing to look up.
 *
 * usage: floor SOCKET       prints "ready", serves until it is killed
 */
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "proto/rssb_proto.h"
#include "proto/util/fd.h"

#define FDS RSSB_FDS_MAX

/* A reply of ACQUIRE's size, as the broker's clients expect it. */
static struct rssb_reply_acquire reply = {
	.reply = {
		.header = {
			.magic = RSSB_PROTO_MAGIC,
			.version = RSSB_PROTO_VERSION,
			.op = RSSB_OP_ACQUIRE | RSSB_OP_REPLY,
			.length = sizeof(reply),
			.tag = 1,
		},
		.n_fds = FDS,
		.roles = { 1, 2, 3, 4, 5 },
	},
	.grant_id = 1,
};

static int listener_open(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	umask(0); /* like the broker's: anybody may connect */
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, SOMAXCONN))
		return -1;
	return fd;
}

static void serve_one(int listener, struct msghdr *answer)
{
	char request[RSSB_REQUEST_MAX];
	_cleanup_fd_ int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0 && recv(fd, request, sizeof(request), 0) > 0)
		sendmsg(fd, answer, MSG_NOSIGNAL);
}

int main(int argc, char **argv)
{
	union {
		struct cmsghdr header;
		char buf[CMSG_SPACE(FDS * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { &reply, sizeof(reply) };
	struct msghdr answer = { .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.buf,
				 .msg_controllen = sizeof(control.buf) };
	int listener = argc == 2 ? listener_open(argv[1]) : -1;

	if (listener < 0) {
		fprintf(stderr, "usage: floor SOCKET (a new path)\n");
		return 2;
	}
	control.header = (struct cmsghdr){ CMSG_LEN(FDS * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	for (size_t i = 0; i < FDS; i++) {
		int fd = eventfd(0, EFD_CLOEXEC);

		memcpy(CMSG_DATA(&control.header) + i * sizeof(fd), &fd, sizeof(fd));
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		serve_one(listener, &answer);
}
