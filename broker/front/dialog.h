/* SPDX-License-Identifier: MIT */
/* One peer's requests and their replies, in turn. */
#pragma once

#include "broker/front/front.h"

/* Reads and answers one request.  0, or -EAGAIN: there was none. */
int dialog_read(struct front *f, struct session *session);

/* Answers a session that waits, if a set of its object is there now. */
void dialog_resume(struct front *f, struct session *session);

/* Tells a session that waits to come back later. */
void dialog_busy(struct front *f, struct session *session);

/* Does what is due when a session's deadline is over. */
void dialog_overdue(struct front *f, struct session *session);

/* Says whom the policy does not let in, and what to do about it.  -EINVAL. */
int dialog_deny(const struct front *f, const struct session *session, struct rssb_refusal *ret_why);

/* Refuses a connection before it made a request: the reply's op is RSSB_OP_REPLY alone. */
void dialog_refuse(struct front *f, struct session *session, const struct rssb_refusal *why);
