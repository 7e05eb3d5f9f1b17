/* SPDX-License-Identifier: MIT */
/* Reads messages and writes their answers, in order.  Only the client's own process waits. */
#include "client/cli/qmp_server/client.h"

#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "client/cli/qmp_server/commands.h"
#include "client/cli/qmp_server/frame.h"
#include "client/cli/util/file.h"
#include "client/cli/util/mem.h"

/* False: the client takes no more. */
static bool line_send(int out, char *line)
{
	_cleanup_free_ char *owned = line;

	return file_write_all(out, owned, strlen(owned)) == 0;
}

/* The answer to what the framing found; NULL: there is nothing to answer yet. */
static char *event_answer(struct qmp_client *client, const char *text, enum qmp_frame_event event)
{
	switch (event) {
	case QMP_FRAME_MESSAGE:
		return qmp_answer(client, text);
	case QMP_FRAME_STRAY:
		return qmp_error_line("JSON parse error, stray character");
	case QMP_FRAME_TOO_LONG:
		return qmp_error_line("JSON parse error, the message is longer than "
				      "4096 bytes");
	default:
		return NULL;
	}
}

/* Answers all messages that end in these bytes; false: this client is served to its end. */
static bool input_answer(struct qmp_client *client, struct qmp_frame *frame, const char *input,
			 size_t len, int out)
{
	enum qmp_frame_event event;
	char *answer;

	do {
		const size_t n = qmp_frame_feed(frame, input, len, &event);

		input += n;
		len -= n;
		answer = event_answer(client, frame->text, event);
		if (answer && (!line_send(out, answer) || client->quit))
			return false;
	} while (event != QMP_FRAME_MORE);
	return true;
}

void qmp_client_serve(int in, int out, const char *broker)
{
	struct qmp_client client = { .source.broker = broker };
	struct qmp_frame frame;
	char input[4096];
	bool going = line_send(out, qmp_greeting());

	qmp_frame_init(&frame);
	while (going) {
		ssize_t n = read(in, input, sizeof(input));

		if (n > 0)
			going = input_answer(&client, &frame, input, (size_t)n, out);
		else
			going = n < 0 && file_again(in, POLLIN);
	}
	free(client.source.text);
}
