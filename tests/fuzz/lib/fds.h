/* SPDX-License-Identifier: MIT */
/* What harnesses do with fds: count those that are open, and send more than a right peer does. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "tests/fuzz/lib/fuzz.h"

#define FDS_SENT_MAX 8
#define FDS_OPEN_MAX 512

/* One system call: a harness asks before and after each input. */
static inline unsigned fds_open(void)
{
	static struct pollfd fds[FDS_OPEN_MAX];
	unsigned n = 0;

	for (int i = 0; i < FDS_OPEN_MAX; i++)
		fds[i] = (struct pollfd){ .fd = i };
	poll(fds, FDS_OPEN_MAX, 0);
	for (int i = 0; i < FDS_OPEN_MAX; i++)
		n += !(fds[i].revents & POLLNVAL);
	return n;
}

/* One packet with at most FDS_SENT_MAX fds; false: it was not sent. */
static inline bool fds_send(int sock, const void *data, size_t size, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr head;
		char buf[CMSG_SPACE(FDS_SENT_MAX * sizeof(int))];
	} control = { .head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	FUZZ_CHECK(n_fds <= FDS_SENT_MAX);
	if (n_fds) {
		control.head.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.head), fds, n_fds * sizeof(int));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}
