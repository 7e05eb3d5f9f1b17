/* SPDX-License-Identifier: MIT */
/*
 * Asks the broker for sets, again and again while it fails in a way that may pass: it is busy
 * or restarting.
 */
#include "client/cli/util/retry.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/util/cli.h"
#include "client/cli/util/mem.h"
#include "proto/util/deadline.h"

enum { RETRY_MS = 50, RETRY_MAX_MS = 500, ABSENT_MS = 1000 };

void retry_start(struct retry *a, int wait_ms)
{
	a->c = NULL;
	a->connected = a->told = a->no_set = false;
	a->pause_ms = RETRY_MS;
	a->deadline = deadline_in(wait_ms);
	a->absent_until = 0;
}

void retry_done(struct retry *a)
{
	a->c = rssb_close(a->c);
	a->connected = false;
}

static const char *last_reason(const struct retry *a)
{
	if (a->no_set)
		return "the broker sent fds that are not a program and its maps";
	return a->c ? rssb_reason(a->c) : "out of memory";
}

/* Is this how a broker fails that is busy, or being restarted? */
static bool passes(const struct retry *a, int r)
{
	switch (r) {
	case -ECONNRESET:
	case -EAGAIN:
	case -EDQUOT:
		return true;
	case -ENOENT:
	case -ECONNREFUSED:
		return !a->connected;
	default:
		return false;
	}
}

/* Until when to go on after this failure. */
static int64_t deadline_after(struct retry *a, int r)
{
	if (!a->impatient || (r != -ENOENT && r != -ECONNREFUSED)) {
		a->absent_until = 0;
		return a->deadline;
	}
	if (!a->absent_until)
		a->absent_until = deadline_in(ABSENT_MS);
	return a->absent_until < a->deadline ? a->absent_until : a->deadline;
}

/* False if the time is over. */
static bool pause_before_retry(struct retry *a, int r)
{
	uint32_t ms = a->connected && rssb_retry_ms(a->c) ? rssb_retry_ms(a->c) : a->pause_ms;
	int64_t left = deadline_after(a, r) - deadline_now_ms();
	struct timespec t;

	if (left <= 0)
		return false;
	if (!a->told && (a->verbose || isatty(STDERR_FILENO)))
		cli_fail(a->what, "%s; waiting", last_reason(a));
	a->told = true;
	if (ms > left)
		ms = (uint32_t)left;
	t = (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	nanosleep(&t, NULL);
	a->pause_ms = a->pause_ms < RETRY_MAX_MS ? a->pause_ms * 2 : RETRY_MAX_MS;
	return true;
}

static int connect_again(struct retry *a)
{
	int r;

	retry_done(a);
	r = rssb_connect(&a->c, a->socket);
	a->connected = r == 0;
	return r;
}

/*
 * Asks once, and checks that the fds are a program and maps: whoever gets them maps them, and a
 * process that maps a file dies of SIGBUS when the file is cut short.  Kernels before 5.19 may
 * not tell what an fd is.
 */
static int ask_once(struct retry *a, const struct rssb_acquire_options *options,
		    struct rssb_fds *ret, struct rssb_grant *ret_grant)
{
	int r = a->connected ? 0 : connect_again(a);

	if (!r)
		r = rssb_acquire(a->c, options, ret, ret_grant);
	a->no_set = !r && rssb_fds_verify(ret) == -EINVAL;
	if (!a->no_set)
		return r;
	rssb_fds_close(ret);
	return -EPROTO;
}

static int why_keep(struct retry *a, int r)
{
	_cleanup_free_ char *advice = a->connected ? NULL : cli_connect_advice(r, a->socket);

	return why_set(a->why, r, "%s%s", last_reason(a), advice ? advice : "");
}

int retry_acquire(struct retry *a, const struct rssb_acquire_options *options, struct rssb_fds *ret,
		  struct rssb_grant *ret_grant)
{
	int r;

	while ((r = ask_once(a, options, ret, ret_grant)) && passes(a, r)) {
		a->connected = a->connected && r != -ECONNRESET;
		if (!pause_before_retry(a, r))
			break;
	}
	return r ? why_keep(a, r) : 0;
}
