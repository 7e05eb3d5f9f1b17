/* SPDX-License-Identifier: MIT */
/* A QEMU whose virtio-net devices get their sets on the command line. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands/run/run.h"
#include "client/cli/qemu/args.h"
#include "client/cli/qemu/object_choice.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/qemu/probe.h"
#include "client/cli/util/mem.h"

#define PROBE_WAY_OUT "(--no-probe, if every device with rss on is in JSON form)"

static bool is_qemu(const char *word)
{
	const char *slash = strrchr(word, '/');
	const char *name = slash ? slash + 1 : word;

	return word[0] != '-' && (strncmp(name, "qemu-system-", 12) == 0 ||
				  strcmp(name, "qemu-kvm") == 0 || strcmp(name, "kvm") == 0);
}

/* Which word of the command is QEMU; -1: none. */
static long qemu_find(const struct run_options *o)
{
	if (o->qemu_first)
		return 0;
	for (long i = 0; o->command[i]; i++)
		if (is_qemu(o->command[i]))
			return i;
	return -1;
}

/* Nothing wants fds: rss counts the devices that have theirs already. */
static int nothing_to_do(struct run_plan *plan, const struct run_options *o,
			 const struct qemu_args *args, size_t rss)
{
	if (rss)
		cli_tell(o->verbose, "run", "every virtio-net device with rss on has fds already");
	else
		cli_tell(o->verbose, "run", "no virtio-net device has rss on");
	if (rss || o->if_needed || args->asks_help)
		return CLI_OK;
	return run_fail(plan,
			"no virtio-net device has rss on%s: say mq=on,rss=on at one, or run with "
			"--rss for all with mq=on, or with --if-needed",
			args->reads_config ? " (what -readconfig reads is not seen here)" : "");
}

struct property_check {
	const struct qemu_probe *probe;
	const struct qemu_device *lacking;
};

static void property_check(struct qemu_device *dev, void *ctx)
{
	struct property_check *check = ctx;
	struct json_object *types;

	if (dev->wants_fds && !check->lacking &&
	    json_object_object_get_ex(check->probe->types, qemu_device_driver(dev), &types) &&
	    !json_object_object_get_ex(types, "ebpf-rss-fds", NULL))
		check->lacking = dev;
}

/* Which object: what this very QEMU has in it decides. */
static int object_plan(struct run_plan *plan, const struct run_options *o,
		       const struct qemu_probe *probe)
{
	_cleanup_free_ char *text = NULL;

	if (object_choose(&probe->object, o->exact, &plan->object_id, &text))
		return run_fail(plan, "%s", text);
	text = object_choice_describe(&probe->object, plan->object_id);
	cli_tell(o->verbose, "run", "object: %s", text);
	return CLI_OK;
}

static int probe_judge(struct run_plan *plan, const struct run_options *o,
		       const struct qemu_probe *probe, struct qemu_args *args)
{
	struct property_check check = { .probe = probe };
	const char *obstacle = NULL;

	qemu_args_each_device(args, property_check, &check);
	if (check.lacking)
		return run_fail(plan,
				"%s: this QEMU, %d.%d, cannot take the fds (no ebpf-rss-fds): 9.0 "
				"and newer can",
				run_device_name(check.lacking), probe->major, probe->minor);
	if (qemu_args_converts(args))
		obstacle = qemu_args_obstacle(args, probe->target);
	if (obstacle)
		return run_fail(plan,
				"a device with rss on is in k=v form and %s: give the device as "
				"-device '{\"driver\":...}'",
				obstacle);
	cli_tell(o->verbose, "run", "QEMU %d.%d for %s answers", probe->major, probe->minor,
		 probe->target);
	return object_plan(plan, o, probe);
}

/* Learns property types from the very binary, and whether it takes fds at all. */
static int probe_ask(struct run_plan *plan, const struct run_options *o, const char *binary,
		     struct qemu_args *args, struct qemu_probe *ret)
{
	_cleanup_json_ struct json_object *drivers = NULL;
	_cleanup_free_ char *why = NULL;

	if (o->no_probe && qemu_args_converts(args))
		return run_fail(plan, "a device with rss on is in k=v form, and only QEMU knows "
				      "its types: leave out --no-probe, or give the device as "
				      "-device '{\"driver\":...}'");
	if (o->no_probe)
		return CLI_OK;
	drivers = qemu_args_drivers(args);
	if (qemu_probe(ret, binary, drivers, &why))
		return run_fail(plan, "%s %s", why, qemu_args_converts(args) ? "" : PROBE_WAY_OUT);
	return probe_judge(plan, o, ret, args);
}

struct handing_out {
	const struct run_sets *sets;
	const struct run_options *options;
	size_t next;
};

static void fds_hand_out(struct qemu_device *dev, void *ctx)
{
	struct handing_out *h = ctx;
	const struct run_set *set;

	if (!dev->wants_fds)
		return;
	set = &h->sets->v[h->next++];
	dev->fds =
		(struct qemu_fds){ set->fds.prog, set->fds.config, set->fds.key, set->fds.table };
	run_tell_grant(h->options, run_device_name(dev), set);
}

/* A set for each device that wants one; QEMU fills the maps itself. */
static int fds_plan(struct run_plan *plan, const struct run_options *o, size_t qemu,
		    struct qemu_args *args)
{
	struct qemu_probe probe = QEMU_PROBE_INIT;
	struct handing_out h = { .sets = &plan->sets, .options = o };
	size_t rss, wanting = qemu_args_select(args, o->all_multiqueue, &rss);
	int r;

	if (!wanting || args->asks_help)
		return nothing_to_do(plan, o, args, rss);
	r = probe_ask(plan, o, o->command[qemu], args, &probe);
	if (r == CLI_OK)
		r = run_vhost_check(plan, o, args, &probe, &wanting);
	if (r == CLI_OK && wanting)
		r = run_sets_acquire(plan, o, wanting, RSSB_HANDOFF);
	if (r == CLI_OK && wanting) {
		qemu_args_each_device(args, fds_hand_out, &h);
		plan->argv = qemu_args_format(args, o->command, qemu + 1, probe.types);
	}
	plan->object_id = NULL; /* the probe's */
	qemu_probe_done(&probe);
	return r;
}

static int host_plan(struct run_plan *plan, const struct run_options *o, size_t qemu,
		     struct qemu_args *args)
{
	size_t n = args->asks_help ? 0 : qemu_args_select_host(args);
	int r;

	if (n == 0 && (o->if_needed || args->asks_help))
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
	struct qemu_args args;
	long qemu = qemu_find(o);
	int r;

	if (qemu < 0)
		return run_fail(plan,
				"%s: no word is named qemu-system-*, qemu-kvm or kvm "
				"(--qemu: the first word is QEMU)",
				o->command[0]);
	qemu_args_init(&args, o->command + qemu + 1);
	r = (o->steers_host ? host_plan : fds_plan)(plan, o, qemu, &args);
	qemu_args_done(&args);
	return r;
}
