/* SPDX-License-Identifier: MIT */
/*
 * The log: one line an event on stderr, with sd-daemon priorities.  Must never
 * block, and must not change stderr itself: others share it, O_NONBLOCK included.
 */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bucket.h"
#include "clock.h"

#define LINE_MAX_LEN 1024 /* below PIPE_BUF, so that lines of two processes never mix */

/* A flood of requests must not fill the disk; errors and warnings are few by themselves. */
static const struct bucket_rule flood_rule = { .burst = 1000, .token_ms = 10 };

static struct {
	int level;
	bool terminal;
	unsigned long dropped;
	struct bucket lines; /* at LOG_NOTICE and below */
} sink = { .level = LOG_INFO };

static const struct {
	const char *name;
	int level;
} levels[] = {
	{ "err", LOG_ERR },   { "warning", LOG_WARNING }, { "notice", LOG_NOTICE },
	{ "info", LOG_INFO }, { "debug", LOG_DEBUG },
};

void log_set_level(int level)
{
	sink.level = level;
}

int log_level_parse(const char *name)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (!strcmp(name, levels[i].name))
			return levels[i].level;
	}
	return -EINVAL;
}

void log_open(void)
{
	sink.terminal = isatty(STDERR_FILENO);
}

/* A pipe, socket or terminal that reports POLLOUT takes a line without waiting. */
static bool sink_ready(void)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT); /* #syscalls poll */
}

/* Returns whether it was written. */
static bool sink_write(int level, const char *text)
{
	char line[LINE_MAX_LEN];
	int n;

	if (!sink_ready())
		return false;
	if (sink.terminal)
		n = snprintf(line, sizeof(line), "rss-broker: %s\n", text);
	else
		n = snprintf(line, sizeof(line), "<%d>rss-broker: %s\n", level, text);
	if (n >= (int)sizeof(line)) {
		n = sizeof(line);
		line[n - 1] = '\n';
	}
	return write(STDERR_FILENO, line, n) == n; /* #syscalls write */
}

static void log_text(int level, const char *text)
{
	char note[64];

	if (sink.dropped) {
		snprintf(note, sizeof(note), "%lu log lines were dropped", sink.dropped);
		if (sink_write(LOG_WARNING, note))
			sink.dropped = 0;
	}
	if (!sink_write(level, text))
		sink.dropped++;
}

static bool log_floods(void)
{
	uint64_t now_ms = clock_ms();

	if (bucket_wait_ms(&sink.lines, flood_rule, now_ms))
		return true;
	bucket_take(&sink.lines, flood_rule, now_ms);
	return false;
}

void log_line(int level, const char *format, ...)
{
	char text[LINE_MAX_LEN];
	va_list args;

	if (level > sink.level)
		return;
	if (level >= LOG_NOTICE && log_floods()) {
		sink.dropped++;
		return;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_text(level, text);
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
