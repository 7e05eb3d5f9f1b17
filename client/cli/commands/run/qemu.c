/* SPDX-License-Identifier: MIT */
/* A QEMU whose virtio-net devices get their sets on the command line. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands/run/run.h"
#include "client/cli/qemu/args.h"
#include "client/cli/qemu/qemu_object.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/qemu/probe_cache.h"
#include "client/cli/util/mem.h"

#define PROBE_WAY_OUT " (--no-probe, if every device with rss on is in JSON form)"

/* Fails for a value of rss or mq that QEMU will refuse: it must not count as off. */
static int values_check(struct run_plan *plan, const struct qemu_args *args)
{
	for (struct qemu_device *dev = NULL; (dev = qemu_args_next_device(args, dev));) {
		_cleanup_free_ char *what = NULL;

		if (!qemu_device_is_virtio_net(dev))
			continue;
		what = qemu_device_mistake(dev, args->globals, "rss");
		if (!what)
			what = qemu_device_mistake(dev, args->globals, "mq");
		if (what)
			return run_fail(plan, "%s: %s", qemu_device_name(dev), what);
	}
	return CLI_OK;
}

/* A device with rss on that cannot be given fds.  CLI_OK: there is none. */
static int other_check(struct run_plan *plan, const struct qemu_args *args)
{
	const struct qemu_other_device *other = qemu_args_other_find(args, "rss");
	_cleanup_free_ char *name = other ? qemu_other_device_describe(other) : NULL;

	if (!other)
		return CLI_OK;
	return run_fail(plan,
			"%s has rss on, and fds can be given to a -device of the command line "
			"alone: write it as one, or use rssb run --on-demand",
			name);
}

/* Nothing wants fds: rss counts the devices that have theirs already. */
static int nothing_to_do(struct run_plan *plan, const struct run_options *o,
			 const struct qemu_args *args, size_t rss)
{
	if (other_check(plan, args))
		return CLI_FAILED;
	if (rss || o->if_needed) {
		cli_tell(o->verbose, "run", "%s",
			 rss ? "every virtio-net device with rss on has fds already"
			     : "no virtio-net device has rss on");
		return CLI_OK;
	}
	return run_fail(plan,
			"no virtio-net device has rss on%s%s%s: say mq=on,rss=on at one, or run "
			"rssb with --rss, for all with mq=on, or with --if-needed, if that is "
			"intended",
			args->unread ? " (" : "", args->unread ? args->unread : "",
			args->unread ? ")" : "");
}

/* The first device that wants fds and that this QEMU gives no property for them; NULL: none. */
static const struct qemu_device *device_without_property(const struct qemu_args *args,
							 const struct qemu_probe *probe)
{
	for (struct qemu_device *dev = NULL; (dev = qemu_args_next_device(args, dev));) {
		struct json_object *types;

		if (dev->wants_fds &&
		    json_object_object_get_ex(probe->types, qemu_device_driver(dev), &types) &&
		    !json_object_object_get_ex(types, "ebpf-rss-fds", NULL))
			return dev;
	}
	return NULL;
}

/* Chooses the object by what this QEMU exports. */
static int object_plan(struct run_plan *plan, const struct run_options *o,
		       const struct qemu_probe *probe)
{
	_cleanup_free_ char *text = NULL;

	if (qemu_object_choose(&probe->object, o->exact, &plan->object_id, &text))
		return run_fail(plan, "%s", text);
	text = qemu_object_describe(&probe->object, plan->object_id);
	cli_tell(o->verbose, "run", "object: %s", text);
	return CLI_OK;
}

static int probe_judge(struct run_plan *plan, const struct run_options *o,
		       const struct qemu_probe *probe, struct qemu_args *args)
{
	const struct qemu_device *lacking = device_without_property(args, probe);
	const char *obstacle = NULL;

	if (lacking)
		return run_fail(plan,
				"%s: this QEMU, %d.%d, cannot take the fds (no ebpf-rss-fds): 9.0 "
				"and newer can, and from 8.0 on rssb run --on-demand may serve it",
				qemu_device_name(lacking), probe->major, probe->minor);
	if (qemu_args_converts(args))
		obstacle = qemu_args_obstacle(args, probe->target);
	if (obstacle)
		return run_fail(plan,
				"a device with rss on is in k=v form and %s: give the device as "
				"-device '{\"driver\":...}', or use --on-demand",
				obstacle);
	cli_tell(o->verbose, "run", "QEMU %d.%d for %s %s", probe->major, probe->minor,
		 probe->target, probe->cached ? "is known from an earlier run" : "answers");
	return object_plan(plan, o, probe);
}

/* Asks the QEMU binary for the types of its properties, and whether it takes fds at all. */
static int probe_ask(struct run_plan *plan, const struct run_options *o, const char *binary,
		     struct qemu_args *args, struct qemu_probe *ret)
{
	_cleanup_json_ struct json_object *drivers = NULL;
	_cleanup_free_ char *why = NULL;

	if (o->no_probe && qemu_args_converts(args))
		return run_fail(plan, "a device with rss on is in k=v form, and only QEMU knows "
				      "its types: leave out --no-probe, give the device as "
				      "-device '{\"driver\":...}', or use --on-demand");
	if (o->no_probe)
		return CLI_OK;
	drivers = qemu_args_drivers(args);
	if (qemu_probe_cached(ret, binary, drivers, &why))
		return run_fail(plan, "%s%s", why, qemu_args_converts(args) ? "" : PROBE_WAY_OUT);
	return probe_judge(plan, o, ret, args);
}

static void fds_hand_out(const struct run_sets *sets, const struct run_options *o,
			 const struct qemu_args *args)
{
	const struct run_set *set = sets->v;

	for (struct qemu_device *dev = NULL; (dev = qemu_args_next_device(args, dev));) {
		if (!dev->wants_fds)
			continue;
		dev->fds = set->fds;
		run_tell_grant(o, qemu_device_name(dev), set++);
	}
}

/* A set for each device that wants one; QEMU fills the maps itself. */
static int fds_plan(struct run_plan *plan, const struct run_options *o, size_t qemu,
		    struct qemu_args *args)
{
	struct qemu_probe probe = { 0 };
	size_t rss, wanting = qemu_args_select(args, o->all_multiqueue, &rss);
	int r;

	if (!wanting)
		return nothing_to_do(plan, o, args, rss);
	r = probe_ask(plan, o, o->command[qemu], args, &probe);
	if (r == CLI_OK)
		r = run_vhost_check(plan, o, args, &probe, &wanting);
	if (r == CLI_OK && wanting)
		r = run_sets_acquire(plan, o, wanting, RSSB_HANDOFF);
	if (r == CLI_OK && wanting) {
		fds_hand_out(&plan->sets, o, args);
		plan->argv = qemu_args_format(args, o->command, qemu + 1, probe.types);
		if (other_check(plan, args))
			cli_fail("run", "warning: %s", plan->why);
		run_prefix_warn(o, (long)qemu);
	}
	plan->object_id = NULL; /* the probe's */
	qemu_probe_done(&probe);
	return r;
}

/* A virtio-net device whose tap is not known here.  CLI_OK: there is none. */
static int other_host_check(struct run_plan *plan, const struct qemu_args *args)
{
	for (size_t i = 0; i < args->n_others; i++) {
		_cleanup_free_ char *name = qemu_other_device_describe(&args->others[i]);

		if (qemu_device_is_virtio_net(&args->others[i].device))
			return run_fail(plan,
					"%s cannot be steered by --host-steering: write it as "
					"-netdev tap,... and -device virtio-net-pci,mq=on,...",
					name);
	}
	return CLI_OK;
}

static int host_plan(struct run_plan *plan, const struct run_options *o, size_t qemu,
		     struct qemu_args *args)
{
	size_t n = qemu_args_select_host(args);
	int r;

	if (n == 0 && other_host_check(plan, args))
		return CLI_FAILED;
	if (n == 0 && o->if_needed)
		return CLI_OK;
	if (n == 0)
		return run_fail(plan, "no virtio-net device has mq on: there is nothing to steer");
	r = run_host_plan(plan, o, args, n);
	if (r == CLI_OK)
		plan->argv = qemu_args_format(args, o->command, qemu + 1, NULL);
	return r;
}

int run_qemu_plan(struct run_plan *plan, const struct run_options *o)
{
	long qemu = run_qemu_find(plan, o);
	struct qemu_args args;
	int r;

	if (qemu < 0)
		return CLI_FAILED;
	qemu_args_init(&args, o->command + qemu + 1);
	r = args.asks_help ? CLI_OK : values_check(plan, &args); /* it prints, and ends */
	if (r == CLI_OK && !args.asks_help)
		r = (o->steers_host ? host_plan : fds_plan)(plan, o, qemu, &args);
	qemu_args_done(&args);
	return r;
}
