/* SPDX-License-Identifier: MIT */
/* Getting sets from a broker that may be busy, or restarting. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "deadline.h"
#include "mem.h"
#include "run.h"

enum { RETRY_MS = 50, RETRY_MAX_MS = 500 };

/* A broker that is asked until it answers, or until a deadline. */
struct asking {
	const struct run_options *options;
	struct rssb *c; /* keeps the last reason even when it is no longer connected */
	bool connected;
	bool told;
	uint32_t pause_ms;
	int64_t deadline;
};

/* Is this how a broker fails that is busy, or being restarted? */
static bool passes(const struct asking *a, int r)
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

static const char *reason(const struct asking *a)
{
	return a->c ? rssb_reason(a->c) : "there is no memory left";
}

/* False if the time is over. */
static bool pause_before_retry(struct asking *a)
{
	uint32_t ms = a->connected && rssb_retry_ms(a->c) ? rssb_retry_ms(a->c) : a->pause_ms;
	int64_t left = a->deadline - deadline_now_ms();
	struct timespec t;

	if (left <= 0)
		return false;
	if (!a->told && (a->options->verbose || isatty(STDERR_FILENO)))
		cli_fail("run", "%s; waiting", reason(a));
	a->told = true;
	if (ms > left)
		ms = (uint32_t)left;
	t = (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	nanosleep(&t, NULL);
	a->pause_ms = a->pause_ms < RETRY_MAX_MS ? a->pause_ms * 2 : RETRY_MAX_MS;
	return true;
}

static int connect_again(struct asking *a)
{
	int r;

	rssb_close(a->c);
	a->c = NULL;
	r = rssb_connect(&a->c, a->options->socket);
	a->connected = r == 0;
	return r;
}

/* QEMU fills the maps itself: a handoff without configuration. */
static int ask_once(struct asking *a, struct rssb_fds *ret, struct rssb_grant *ret_grant)
{
	const struct rssb_acquire_options options = {
		.size = sizeof(options),
		.kind = RSSB_HANDOFF,
	};
	int r = a->connected ? 0 : connect_again(a);

	return r ? r : rssb_acquire(a->c, &options, ret, ret_grant);
}

static int ask(struct asking *a, struct rssb_fds *ret, struct rssb_grant *ret_grant)
{
	int r;

	while ((r = ask_once(a, ret, ret_grant)) && passes(a, r)) {
		a->connected = a->connected && r != -ECONNRESET;
		if (!pause_before_retry(a))
			break;
	}
	return r;
}

int run_sets_acquire(struct run_plan *plan, const struct run_options *o, size_t n)
{
	struct asking a = {
		.options = o,
		.pause_ms = RETRY_MS,
		.deadline = deadline_in(o->wait_ms),
	};
	struct rssb_grant grant;
	int r = 0;

	plan->sets.fds = mem_new(n, sizeof(*plan->sets.fds));
	for (size_t i = 0; i < n && r == 0; i++) {
		plan->sets.fds[i] = (struct rssb_fds)RSSB_FDS_INIT;
		r = ask(&a, &plan->sets.fds[i], &grant);
		if (r)
			break;
		plan->sets.n++;
		run_tell(o, "set %zu of %zu: grant %" PRIu64, i + 1, n, grant.id);
	}
	if (r) {
		run_fail(plan, "%s", reason(&a));
		run_sets_done(&plan->sets);
	}
	rssb_close(a.c);
	return r ? CLI_FAILED : CLI_OK;
}

void run_sets_done(struct run_sets *sets)
{
	for (size_t i = 0; i < sets->n; i++)
		rssb_fds_close(&sets->fds[i]);
	free(sets->fds);
	*sets = (struct run_sets){ 0 };
}

int run_sets_inherit(const struct run_sets *sets)
{
	for (size_t i = 0; i < sets->n; i++) {
		const struct rssb_fds *fds = &sets->fds[i];
		const int all[] = { fds->prog, fds->config, fds->key, fds->table, fds->lease };

		for (size_t j = 0; j < sizeof(all) / sizeof(all[0]); j++)
			if (all[j] >= 0 && fcntl(all[j], F_SETFD, 0))
				return -errno;
	}
	return 0;
}
