/* SPDX-License-Identifier: MIT */
/*
 * The log: one line an event on stderr.  A log that cannot be written is
 * dropped and counted, never waited for.  It must never hold a key, nor bytes
 * that a peer chose.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <syslog.h>

#include "broker/common/token_bucket.h"

/* Somebody's part of the log.  All zero: none of it is used. */
struct log_share {
	struct token_bucket lines; /* at LOG_NOTICE and below */
	unsigned long left_out;
};

/* Lines above this LOG_* level are left out. */
void log_set_level(int level);

/* Whether lines of a level are shown at all. */
bool log_shows(int level);

/* Asks once how stderr is to be written: priorities for a journal, none for a terminal. */
void log_open(void);

/*
 * Writes one line about somebody, or (NULL) nobody; format has no newline.  Whoever has used up its
 * share loses lines, so that those of the others stay; its next one says how many.
 */
void log_line_of(struct log_share *share, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Whether nothing of a share is used, nor left out. */
bool log_share_is_idle(const struct log_share *share);

/* log_line() at LOG_ERR with ": <text of -err>" behind.  Returns err, for `return log_error(...)`.
 */
int log_error(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_line(level, ...) log_line_of(NULL, level, __VA_ARGS__)
#define log_debug(...)	     log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)	     log_line(LOG_INFO, __VA_ARGS__)
#define log_notice(...)	     log_line(LOG_NOTICE, __VA_ARGS__)
#define log_warning(...)     log_line(LOG_WARNING, __VA_ARGS__)
