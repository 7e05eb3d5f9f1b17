/* SPDX-License-Identifier: MIT */
/*
 * The log: one line an event on stderr, with sd-daemon priorities.  Must never
 * block, and must not set O_NONBLOCK on stderr as it was inherited: others share that.
 */
#include "broker/common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/common/clock.h"
#include "broker/common/line_format.h"
#include "proto/util/fd.h"

#define LINE_MAX_LEN 1024 /* below PIPE_BUF, so that lines of two processes never mix */

/* A flood of requests must not fill the disk; errors and warnings are few by themselves. */
static const struct token_bucket_rule flood_rule = { .burst = 1000, .token_us = 10000 };

/* One account: all that a burst of its grants and their ends make, then a fifth of the log. */
static const struct token_bucket_rule share_rule = { .burst = 512, .token_us = 50000 };

static struct {
	int level;
	bool terminal, socket;
	bool never_waits;     /* a write to it, so that nobody has to ask first */
	struct log_share all; /* what cannot be written is left out, too */
} sink = { .level = LOG_INFO };

void log_set_level(int level)
{
	sink.level = level;
}

bool log_shows(int level)
{
	return level <= sink.level;
}

/*
 * A terminal may report POLLOUT and then have no room for all of a line, and another
 * process may fill a pipe after we asked.  An open file description of our own can be
 * O_NONBLOCK.  Where it cannot be opened (no /proc, another user's pipe), poll(2) alone
 * keeps us from waiting.
 */
static void own_description_open(mode_t type)
{
	_cleanup_fd_ int fd = -1;

	if (!S_ISFIFO(type) && !S_ISCHR(type))
		return; /* a file has an offset, which its other writers share */
	fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	sink.never_waits = fd >= 0 && dup3(fd, STDERR_FILENO, O_CLOEXEC) >= 0;
}

void log_open(void)
{
	struct stat st;

	sink.terminal = isatty(STDERR_FILENO);
	if (fstat(STDERR_FILENO, &st))
		return;
	sink.socket = S_ISSOCK(st.st_mode);
	sink.never_waits = sink.socket; /* by a flag */
	own_description_open(st.st_mode);
}

/*
 * Whether a line would be taken now.  After SIGSTOP and SIGCONT the kernel resumes
 * poll(2) by another call.
 */
static bool sink_ready(void)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	return sink.never_waits ||
	       (poll(&p, 1, 0) == 1 &&
		(p.revents & POLLOUT)); /* #syscalls:lasting poll ppoll restart_syscall */
}

static bool line_send(const char *line, size_t len)
{
	struct iovec iov = { (char *)line, len };
	const struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (sink.socket) /* #syscalls sendmsg */
		n = sendmsg(STDERR_FILENO, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		n = write(STDERR_FILENO, line, len); /* #syscalls:lasting write */
	return n == (ssize_t)len;
}

/* Returns whether it was written. */
static bool sink_write(int level, const char *text)
{
	static const char start[] = "<0>rss-broker: ";
	const size_t before = sizeof(start) - 1, left_out = sink.terminal ? strlen("<0>") : 0;
	char line[LINE_MAX_LEN];
	size_t len = strnlen(text, sizeof(line) - before - 1);

	if (!sink_ready())
		return false;
	memcpy(line, start, before);
	line[1] = (char)('0' + level);
	memcpy(line + before, text, len);
	line[before + len] = '\n';
	return line_send(line + left_out, before + len + 1 - left_out);
}

static void log_text(int level, const char *text)
{
	char note[64];

	if (sink.all.left_out) {
		snprintf(note, sizeof(note), "%lu log lines were dropped", sink.all.left_out);
		if (sink_write(LOG_WARNING, note))
			sink.all.left_out = 0;
	}
	if (!sink_write(level, text))
		sink.all.left_out++;
}

/* Whether a share has room for a line of that level, which then is taken. */
static bool share_take(struct log_share *share, struct token_bucket_rule rule, int level)
{
	uint64_t now_ms = clock_ms();

	if (level < LOG_NOTICE)
		return true;
	if (token_bucket_wait_ms(&share->lines, rule, 1, now_ms)) {
		share->left_out++;
		return false;
	}
	token_bucket_take(&share->lines, rule, 1, now_ms);
	return true;
}

void log_line_of(struct log_share *share, int level, const char *format, ...)
{
	char text[LINE_MAX_LEN];
	va_list args;
	size_t n;

	if (!log_shows(level) || (share && !share_take(share, share_rule, level)) ||
	    !share_take(&sink.all, flood_rule, level))
		return;
	va_start(args, format);
	n = line_format(text, sizeof(text), format, args);
	va_end(args);
	if (share && share->left_out) {
		snprintf(text + n, sizeof(text) - n, " left_out=%lu", share->left_out);
		share->left_out = 0;
	}
	log_text(level, text);
}

bool log_share_is_idle(const struct log_share *share)
{
	return !share->left_out && token_bucket_is_full(&share->lines, clock_ms());
}

int log_error(int err, const char *format, ...)
{
	char text[LINE_MAX_LEN];
	va_list args;
	size_t n;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	n = strlen(text);
	snprintf(text + n, sizeof(text) - n, ": %s", strerrordesc_np(-err) ?: "unknown error");
	log_text(LOG_ERR, text);
	return err;
}
