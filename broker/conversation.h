/* SPDX-License-Identifier: MIT */
/* One peer's requests and their replies, in turn. */
#pragma once

#include "front.h"

/* Reads and answers one request.  0, or -EAGAIN: there was none. */
int conversation_read(struct front *f, struct session *session);

/* Answers a session that waits, if a set of its object is there now. */
void conversation_resume(struct front *f, struct session *session);

/* Tells a session that waits to come back later. */
void conversation_busy(struct front *f, struct session *session);

/* Does what is due when a session's deadline is over. */
void conversation_overdue(struct front *f, struct session *session);

/* Says whom the policy does not let in, and what to do about it.  -EINVAL. */
int conversation_deny(const struct session *session, struct rssb_refusal *ret_why);

/* Refuses a connection before it made a request: the reply's op is RSSB_OP_REPLY alone. */
void conversation_refuse(struct front *f, struct session *session, const struct rssb_refusal *why);
