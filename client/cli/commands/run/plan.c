/* SPDX-License-Identifier: MIT */
/*
 * What the three plans of rssb run share: keeping why a plan failed, naming a device, telling
 * of a grant.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "client/cli/commands/run/run.h"
#include "client/cli/qemu/device.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/util/mem.h"

int run_plan_fail(struct run_plan *plan, char *why)
{
	free(plan->why);
	plan->why = why;
	return CLI_FAILED;
}

const char *run_device_name(const struct qemu_device *dev)
{
	const char *id = qemu_opts_get(dev->props, "id");

	return id ? id : qemu_device_driver(dev);
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
