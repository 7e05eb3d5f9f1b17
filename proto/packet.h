/* SPDX-License-Identifier: MIT */
/*
 * One SOCK_SEQPACKET packet with its fds: one sendmsg, one recvmsg.  Knows
 * nothing of what the bytes mean.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/rssb_proto.h"

/* The kernel's SCM_MAX_FD: with room for all of them none is cut off, and the
 * kernel never closes one in our context (a close can block). */
#define PACKET_FDS_MAX 253

/* A received packet owns its fds until they are taken or packet_done(). */
struct packet {
	size_t len;
	size_t n_fds;
	int fds[PACKET_FDS_MAX];
	uint8_t data[RSSB_REPLY_MAX]; /* requests are shorter */
};

/*
 * Receives one packet.  Whatever the return value, the fds in *p are the
 * caller's, to take or to release with packet_done().  0, or: -ECONNRESET: the
 * peer closed, or sent an empty packet; -EMSGSIZE: longer than p->data;
 * -EBADMSG: an LSM or our fd limit refused some of the fds; the data is there;
 * -EAGAIN; other errors of recvmsg(2).
 */
int packet_recv(int sock, struct packet *p);

/* What the next packet is. */
enum packet_next {
	PACKET_NONE,  /* there is none yet */
	PACKET_PLAIN, /* bytes, maybe none */
	PACKET_FDS,
	PACKET_END, /* there is none, and the peer sends no more */
};

/* Has the kernel mark every packet that sock receives, for packet_peek().  0 or -errno. */
int packet_mark(int sock);

/* Looks at the next packet of a marked socket; receives neither it nor its fds. */
enum packet_next packet_peek(int sock);

/*
 * Sends one packet with n_fds borrowed fds.  Never raises SIGPIPE.  0 or
 * -errno of sendmsg(2); nothing is ever sent in part.
 */
int packet_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds);

/* Closes the fds that *p still owns. */
void packet_done(struct packet *p);
