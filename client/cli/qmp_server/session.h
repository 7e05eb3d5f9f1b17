/* SPDX-License-Identifier: MIT */
/*
 * One client's conversation, message by message: negotiation, the commands, and
 * QEMU's words for each mistake.  It knows nothing of sockets.
 *
 * Before qmp_capabilities that is the only command; after it, every other one;
 * after quit, none.
 */
#pragma once

#include <stdbool.h>

struct qmp_source;

struct qmp_session {
	struct qmp_source *source; /* borrowed */
	bool negotiated;
	bool quit; /* asked for: send the answer, and end the conversation */
};

/* Each returns one line to send, to be freed. */
char *qmp_session_greeting(void);
char *qmp_session_answer(struct qmp_session *s, const char *message); /* as frame.h has it */
char *qmp_session_error(const char *desc);
