/* SPDX-License-Identifier: MIT */
/* Reads messages and writes their answers, in order.  Only the client's own process waits. */
#include "client/cli/qmp_server/conversation.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "client/cli/qmp_server/frame.h"
#include "client/cli/qmp_server/session.h"
#include "client/cli/util/mem.h"

/* Whether to try again: an fd that somebody else made non-blocking is waited for. */
static bool again(int fd, short events)
{
	struct pollfd wait = { .fd = fd, .events = events };

	if (errno == EAGAIN)
		poll(&wait, 1, -1);
	return errno == EAGAIN || errno == EINTR;
}

/* False: the client takes no more. */
static bool line_send(int out, char *line)
{
	_cleanup_free_ char *owned = line;
	size_t len = strlen(owned), sent = 0;

	while (sent < len) {
		ssize_t n = write(out, owned + sent, len - sent);

		if (n > 0)
			sent += (size_t)n;
		else if (!again(out, POLLOUT))
			return false;
	}
	return true;
}

/* The answer to what the framing found; NULL: there is nothing to answer yet. */
static char *event_answer(struct qmp_session *session, const char *text, enum qmp_frame_event event)
{
	switch (event) {
	case QMP_FRAME_MESSAGE:
		return qmp_session_answer(session, text);
	case QMP_FRAME_STRAY:
		return qmp_session_error("JSON parse error, stray character");
	case QMP_FRAME_TOO_LONG:
		return qmp_session_error("JSON parse error, the message is longer than "
					 "4096 bytes");
	default:
		return NULL;
	}
}

/* Answers all messages that end in these bytes; false: the conversation is over. */
static bool input_answer(struct qmp_session *session, struct qmp_frame *frame, const char *input,
			 size_t len, int out)
{
	enum qmp_frame_event event;
	char *answer;

	do {
		const size_t n = qmp_frame_feed(frame, input, len, &event);

		input += n;
		len -= n;
		answer = event_answer(session, frame->text, event);
		if (answer && (!line_send(out, answer) || session->quit))
			return false;
	} while (event != QMP_FRAME_MORE);
	return true;
}

void qmp_converse(int in, int out, struct qmp_source *source)
{
	struct qmp_session session = { .source = source };
	struct qmp_frame frame;
	char input[4096];
	bool going = line_send(out, qmp_session_greeting());

	qmp_frame_init(&frame);
	while (going) {
		ssize_t n = read(in, input, sizeof(input));

		if (n > 0)
			going = input_answer(&session, &frame, input, (size_t)n, out);
		else
			going = n < 0 && again(in, POLLIN);
	}
}
