/* SPDX-License-Identifier: MIT */
/* One SOCK_SEQPACKET packet with its fds.  Must never look into the bytes. */
#include "proto/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "proto/util/fd.h"

/* Moves every received fd into p. */
static void packet_adopt_fds(struct packet *p, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;

		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		/* The control buffer has no room for more than p->fds has. */
		memcpy(p->fds + p->n_fds, CMSG_DATA(c), n * sizeof(int));
		p->n_fds += n;
	}
}

int packet_recv(int sock, struct packet *p)
{
	/* Exactly PACKET_FDS_MAX fds: one more would not fit even in the padding. */
	union {
		struct cmsghdr align;
		char buf[CMSG_LEN(sizeof(p->fds))];
	} control;
	struct iovec iov = { .iov_base = p->data, .iov_len = sizeof(p->data) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n;

	p->n_fds = 0;
	p->len = 0;
	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC); /* #syscalls:lasting recvmsg */
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;

	/* Adopt first, judge after: an empty, oversized or truncated packet
	 * has already installed its fds in this process. */
	packet_adopt_fds(p, &msg);

	if (msg.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	p->len = (size_t)n;
	if (msg.msg_flags & MSG_CTRUNC)
		return -EBADMSG;
	return n ? 0 : -ECONNRESET;
}

int packet_mark(int sock)
{
	const int on = 1;

	return setsockopt(sock, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) ? -errno : 0;
}

enum packet_next packet_peek(int sock)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = sizeof(byte) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n;

	/* A peer that hung up with our reply unread leaves an error in front of its packets. */
	do {
		n = recvmsg(sock, &msg, MSG_PEEK | MSG_DONTWAIT);
	} while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return PACKET_NONE;
	/* The mark takes all the room: the kernel says that it cut the fds off, and they
	 * stay queued.  The end of the connection has no mark. */
	if (msg.msg_flags & MSG_CTRUNC)
		return PACKET_FDS;
	return CMSG_FIRSTHDR(&msg) ? PACKET_PLAIN : PACKET_END;
}

int packet_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(RSSB_FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (n_fds > RSSB_FDS_MAX)
		return -E2BIG;
	if (n_fds) {
		struct cmsghdr *c;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}

	do {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL); /* #syscalls sendmsg */
	} while (n < 0 && errno == EINTR);

	return n < 0 ? -errno : 0;
}

void packet_done(struct packet *p)
{
	while (p->n_fds)
		fd_closep(&p->fds[--p->n_fds]);
}
