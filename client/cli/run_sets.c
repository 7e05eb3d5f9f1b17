/* SPDX-License-Identifier: MIT */
/* Getting sets from a broker that may be busy, or restarting. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "asking.h"
#include "mem.h"
#include "run.h"

int run_sets_acquire(struct run_plan *plan, const struct run_options *o, size_t n)
{
	/* QEMU fills the maps itself: a handoff without configuration. */
	const struct rssb_acquire_options options = {
		.size = sizeof(options),
		.kind = RSSB_HANDOFF,
	};
	struct asking a = { .what = "run", .socket = o->socket, .verbose = o->verbose };
	struct rssb_grant grant;
	int r = 0;

	asking_start(&a, o->wait_ms);
	plan->sets.fds = mem_new(n, sizeof(*plan->sets.fds));
	for (size_t i = 0; i < n && r == 0; i++) {
		plan->sets.fds[i] = (struct rssb_fds)RSSB_FDS_INIT;
		r = asking_acquire(&a, &options, &plan->sets.fds[i], &grant);
		if (r)
			break;
		plan->sets.n++;
		run_tell(o, "set %zu of %zu: grant %" PRIu64, i + 1, n, grant.id);
	}
	if (r) {
		run_fail(plan, "%s", asking_reason(&a));
		run_sets_done(&plan->sets);
	}
	asking_done(&a);
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
