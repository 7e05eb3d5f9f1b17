/* SPDX-License-Identifier: MIT */
/*
 * A connection to the broker: one request, one reply, one deadline for both.
 * It knows the envelope of a message, never what an operation means.
 */
#pragma once

#include <stdint.h>

#include "proto/codec.h"
#include "proto/packet.h"

struct rssb {
	int sock; /* -1: not connected, or of no further use */
	int timeout_ms;
	uint32_t tag; /* of the last request */
	uint32_t retry_ms;
	char reason[256]; /* of the last failure */
};

/* Stores the reason, made fit for a terminal; %m is error's text.  Returns error. */
int connection_fail(struct rssb *c, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Connects c->sock to path within c->timeout_ms. */
int connection_open(struct rssb *c, const char *path);

/*
 * Sends *request, whose header.op is set, and waits for its reply.  0: *ret is
 * a success and ret_packet has as many fds as it says, which are the caller's
 * until packet_done().  Otherwise -errno, with the reason stored, and no fd.
 */
int connection_exchange(struct rssb *c, union rssb_request *request, union rssb_reply_any *ret,
			struct packet *ret_packet);

/*
 * Closes an fd that a broker may have chosen to harm us: closing a socket must not wait for as
 * long as its SO_LINGER says.
 */
void fd_close_at_once(int *fd);

/* packet_done() so. */
void connection_refuse_fds(struct packet *p);

/* The same for a request whose reply brings no fd; one that does is an error. */
int connection_ask(struct rssb *c, union rssb_request *request, union rssb_reply_any *ret);
