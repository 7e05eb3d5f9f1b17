/* SPDX-License-Identifier: MIT */
/*
 * A terminal on which one screen is drawn again and again, and which is left as it was.
 * Signals that ask the program to end are returned by terminal_wait() as events, so that the
 * terminal is always restored.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <termios.h>

#include "client/cli/commands/top/view.h"

struct terminal {
	int signals;	       /* a signalfd */
	bool screen;	       /* drawing on the alternate screen */
	bool keys;	       /* stdin gives single keys */
	struct termios before; /* of stdin */
};

enum terminal_event { TERMINAL_TIMEOUT, TERMINAL_REDRAW, TERMINAL_QUIT };

/* screen: stdout is one.  0 or -errno. */
int terminal_open(struct terminal *t, bool screen);
void terminal_close(struct terminal *t);

/* Waits for a signal, a key, or the deadline (proto's monotonic milliseconds). */
enum terminal_event terminal_wait(struct terminal *t, int64_t deadline);

/* Whether stdout is a terminal that can be drawn on: one of TERM=dumb cannot. */
bool terminal_can_screen(void);

struct view_size terminal_size(void);

/* Shows text of at most one screen in the place of the last. */
void terminal_show(const char *text);
