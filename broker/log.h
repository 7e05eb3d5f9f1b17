/* SPDX-License-Identifier: MIT */
/*
 * The log: one line an event on stderr.  A log that cannot be written is
 * dropped and counted, never waited for.  It must never hold a key, nor bytes
 * that a peer chose.
 */
#pragma once

#include <stdbool.h>
#include <syslog.h>

/* Lines above this LOG_* level are left out.  Names: err, warning, notice, info, debug. */
void log_set_level(int level);

/* The LOG_* level of a name, or -EINVAL. */
int log_level_parse(const char *name);

/* Asks once how stderr is to be written: priorities for a journal, none for a terminal. */
void log_open(void);

/* Writes one line; format has no newline. */
void log_line(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* log_line() at LOG_ERR with ": <text of -err>" behind.  Returns err, for `return log_error(...)`.
 */
int log_error(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...)	 log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_INFO, __VA_ARGS__)
#define log_notice(...)	 log_line(LOG_NOTICE, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
