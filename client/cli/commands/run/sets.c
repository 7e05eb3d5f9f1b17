/* SPDX-License-Identifier: MIT */
/* Getting sets from a broker that may be busy, or restarting, and passing them on. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "client/cli/commands/run/run.h"
#include "client/cli/qemu/qemu_object.h"
#include "client/cli/util/mem.h"
#include "client/cli/util/retry.h"
#include "proto/util/fd.h"

/* FD_MIN: a script before QEMU may use low numbers for its own ("exec 6<FILE"), but hardly these.
 */
enum { WAIT_MS = 10000, FD_MIN = 100 };

/* Moves them to high numbers.  Where RLIMIT_NOFILE has none they stay. */
static void fds_raise(struct rssb_fds *fds)
{
	int *all[] = { &fds->prog, &fds->config, &fds->key, &fds->table, &fds->lease };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int fd = *all[i] < 0 ? -1 : fcntl(*all[i], F_DUPFD_CLOEXEC, FD_MIN);

		if (fd < 0)
			continue;
		fd_closep(all[i]);
		*all[i] = fd;
	}
}

static int sets_ask(struct run_sets *sets, struct retry *a, size_t n,
		    const struct rssb_acquire_options *request)
{
	int r = 0;

	sets->v = mem_new(n, sizeof(*sets->v));
	for (; sets->n < n && r == 0; sets->n += r == 0) {
		struct run_set *set = &sets->v[sets->n];

		r = retry_acquire(a, request, &set->fds, &set->grant);
		if (r == 0)
			fds_raise(&set->fds);
	}
	return r;
}

int run_sets_acquire(struct run_plan *plan, const struct run_options *o, size_t n,
		     enum rssb_grant_kind kind)
{
	const struct rssb_steering steering = steering_view(&o->steering);
	const struct rssb_acquire_options request = {
		.size = sizeof(request),
		.kind = kind,
		.flags = o->stats ? RSSB_GRANT_STATS : 0u,
		.steering = o->steers || o->steers_host ? &steering : NULL,
		.object_id = plan->object_id,
	};
	struct retry a = {
		.what = "run",
		.socket = o->socket,
		.verbose = o->verbose,
		.impatient = o->optional && o->wait_ms < 0,
	};
	_cleanup_free_ char *missing = NULL;
	int r;

	retry_start(&a, o->wait_ms < 0 ? WAIT_MS : o->wait_ms);
	r = sets_ask(&plan->sets, &a, n, &request);
	if (r) {
		if (r == -ENOENT && a.connected && plan->object_id)
			missing = qemu_object_missing(plan->object_id);
		run_fail(plan, "%s", missing ? missing : a.why);
	}
	retry_done(&a);
	return r ? CLI_FAILED : CLI_OK;
}

void run_tell_grant(const struct run_options *o, const char *whose, const struct run_set *set)
{
	const struct rssb_fds *fds = &set->fds;

	if (o->verbose && fds->prog >= 0)
		cli_tell(o->verbose, "run", "%s: grant %" PRIu64 ", fds %d %d %d %d, lease %d",
			 whose, set->grant.id, fds->prog, fds->config, fds->key, fds->table,
			 fds->lease);
	else if (o->verbose)
		cli_tell(o->verbose, "run", "%s: grant %" PRIu64 ", lease %d", whose, set->grant.id,
			 fds->lease);
	else if (o->stats)
		cli_tell(true, "run", "%s: grant %" PRIu64, whose, set->grant.id);
}

void run_sets_done(struct run_sets *sets)
{
	for (size_t i = 0; i < sets->n; i++)
		rssb_fds_close(&sets->v[i].fds);
	free(sets->v);
	*sets = (struct run_sets){ 0 };
}

int run_sets_inherit(const struct run_sets *sets)
{
	for (size_t i = 0; i < sets->n; i++) {
		const struct rssb_fds *fds = &sets->v[i].fds;
		const int all[] = { fds->prog, fds->config, fds->key, fds->table, fds->lease };

		for (size_t j = 0; j < sizeof(all) / sizeof(all[0]); j++)
			if (all[j] >= 0 && fcntl(all[j], F_SETFD, 0))
				return -errno;
	}
	return 0;
}
