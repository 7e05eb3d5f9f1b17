/* SPDX-License-Identifier: MIT */
/* Escape sequences that every terminal since the VT100 knows; no colours. */
#include "client/cli/commands/top/terminal.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "proto/util/deadline.h"
#include "proto/util/fd.h"

static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP };

static void signal_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		sigaddset(set, caught[i]);
}

/* The alternate screen, without a cursor; single keys without echo. */
static void enter(struct terminal *t)
{
	struct termios raw;

	if (!t->screen)
		return;
	fputs("\033[?1049h\033[?25l", stdout);
	fflush(stdout);
	t->keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &t->before) == 0;
	if (!t->keys)
		return;
	raw = t->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static void leave(struct terminal *t)
{
	if (t->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
	if (t->screen)
		fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
}

int terminal_open(struct terminal *t, bool screen)
{
	sigset_t set;

	*t = (struct terminal){ .signals = -1, .screen = screen };
	setlocale(LC_CTYPE, "");
	signal_set(&set);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	t->signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (t->signals < 0)
		return -errno;
	enter(t);
	return 0;
}

void terminal_close(struct terminal *t)
{
	leave(t);
	fd_closep(&t->signals);
}

/* Ctrl-Z: the shell gets its screen while we sleep. */
static void suspend(struct terminal *t)
{
	leave(t);
	raise(SIGSTOP);
	enter(t);
}

static enum terminal_event on_signal(struct terminal *t)
{
	struct signalfd_siginfo info;

	if (read(t->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return TERMINAL_QUIT;
	if (info.ssi_signo == SIGTSTP)
		suspend(t);
	return info.ssi_signo == SIGTSTP || info.ssi_signo == SIGWINCH ? TERMINAL_REDRAW
								       : TERMINAL_QUIT;
}

static enum terminal_event on_key(void)
{
	char key = 0;

	return read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q' ? TERMINAL_QUIT
									    : TERMINAL_REDRAW;
}

enum terminal_event terminal_wait(struct terminal *t, int64_t deadline)
{
	struct pollfd p[] = {
		{ .fd = t->signals, .events = POLLIN },
		{ .fd = t->keys ? STDIN_FILENO : -1, .events = POLLIN },
	};
	int n = poll(p, 2, deadline_left_ms(deadline));

	if (n < 0)
		return errno == EINTR ? TERMINAL_REDRAW : TERMINAL_QUIT;
	if (n == 0)
		return TERMINAL_TIMEOUT;
	return p[0].revents ? on_signal(t) : on_key();
}

bool terminal_can_screen(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(term && strcmp(term, "dumb") == 0);
}

struct view_size terminal_size(void)
{
	struct view_size size = { 80, 24, strcmp(nl_langinfo(CODESET), "UTF-8") == 0 };
	struct winsize window;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col && window.ws_row) {
		size.columns = window.ws_col;
		size.rows = window.ws_row;
	}
	return size;
}

/* From the top left; what is left of older lines, and below, is cleared. */
void terminal_show(const char *text)
{
	size_t len = strlen(text);

	if (len && text[len - 1] == '\n')
		len--; /* a newline in the last row would scroll */
	fputs("\033[H", stdout);
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\n')
			fputs("\033[K\r\n", stdout);
		else
			putchar(text[i]);
	fputs("\033[K\033[J", stdout);
	fflush(stdout);
}
