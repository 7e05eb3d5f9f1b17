/* SPDX-License-Identifier: MIT */
/*
 * What a client of the QMP server asks, message by message, and is answered: negotiation, the
 * commands, and QEMU's words for each mistake.  It knows nothing of sockets.
 *
 * Before qmp_capabilities that is the only command; after it, every other one;
 * after quit, none.
 */
#pragma once

#include <stdbool.h>

#include "client/cli/qmp_server/object_source.h"

struct json_object;

struct qmp_client {
	struct qmp_object_source source;
	bool negotiated;
	bool quit; /* asked for: send the answer, and read no more */
};

/* Each returns one line to send, to be freed. */
char *qmp_greeting(void);
char *qmp_answer(struct qmp_client *client, const char *message); /* as frame.h has it */
char *qmp_error_line(const char *desc);

/* What query-qmp-schema answers: an array of SchemaInfo, the caller's. */
struct json_object *qmp_schema(void);
