/* SPDX-License-Identifier: MIT */
/* What the plans of rssb run have in common: why one fails, and what is said of it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/commands/run/run.h"
#include "client/cli/qemu/device.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/util/mem.h"

int run_fail(struct run_plan *plan, const char *format, ...)
{
	va_list args;
	char *why;

	va_start(args, format);
	if (vasprintf(&why, format, args) < 0)
		why = NULL;
	va_end(args);
	free(plan->why);
	plan->why = mem_must(why);
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
