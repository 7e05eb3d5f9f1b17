/* SPDX-License-Identifier: MIT */
/* A QMP client's buffers.  Every call is short, whatever the client does. */
#include "client/cli/qmp_server/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/qmp_server/frame.h"
#include "client/cli/util/mem.h"

struct qmp_peer {
	int in, out;
	bool ended; /* nothing more comes, or nothing more can be said */
	struct qmp_session session;
	struct qmp_frame frame;
	size_t start, end; /* of the input that was read and not judged yet */
	char input[4096];
	char *answer; /* NULL: none waits */
	size_t sent, len;
};

static void answer_set(struct qmp_peer *p, char *line)
{
	p->answer = line;
	p->len = strlen(line);
	p->sent = 0;
}

struct qmp_peer *qmp_peer_new(int in, int out, struct qmp_source *source)
{
	struct qmp_peer *p = mem_new(1, sizeof(*p));

	p->in = in;
	p->out = out;
	p->session.source = source;
	qmp_frame_init(&p->frame);
	answer_set(p, qmp_session_greeting());
	return p;
}

struct qmp_peer *qmp_peer_free(struct qmp_peer *p)
{
	if (p)
		free(p->answer);
	free(p);
	return NULL;
}

bool qmp_peer_wait(const struct qmp_peer *p, struct pollfd *ret)
{
	*ret = (struct pollfd){ .fd = p->in, .events = POLLIN };
	if (p->answer)
		*ret = (struct pollfd){ .fd = p->out, .events = POLLOUT };
	return p->answer || p->start == p->end;
}

static bool is_weather(int error)
{
	return error == EAGAIN || error == EINTR;
}

static void answer_send(struct qmp_peer *p)
{
	ssize_t n = write(p->out, p->answer + p->sent, p->len - p->sent);

	if (n < 0 && !is_weather(errno))
		p->ended = true;
	if (n > 0)
		p->sent += (size_t)n;
	if (p->sent < p->len)
		return;
	free(p->answer);
	p->answer = NULL;
	p->ended |= p->session.quit;
}

static void input_read(struct qmp_peer *p)
{
	ssize_t n = read(p->in, p->input, sizeof(p->input));

	p->start = p->end = 0;
	if (n > 0)
		p->end = (size_t)n;
	else if (n == 0 || !is_weather(errno))
		p->ended = true;
}

/* One answer, if the input is enough for one. */
static void input_judge(struct qmp_peer *p)
{
	enum qmp_frame_event event;

	p->start += qmp_frame_feed(&p->frame, p->input + p->start, p->end - p->start, &event);
	switch (event) {
	case QMP_FRAME_MORE:
		break;
	case QMP_FRAME_MESSAGE:
		answer_set(p, qmp_session_answer(&p->session, p->frame.text));
		break;
	case QMP_FRAME_STRAY:
		answer_set(p, qmp_session_error("JSON parse error, stray character"));
		break;
	case QMP_FRAME_TOO_LONG:
		answer_set(p, qmp_session_error("JSON parse error, the message is longer than "
						"4096 bytes"));
		break;
	}
}

bool qmp_peer_work(struct qmp_peer *p)
{
	if (!p->answer && p->start == p->end)
		input_read(p);
	if (!p->answer)
		input_judge(p);
	if (p->answer)
		answer_send(p);
	return !p->ended;
}
