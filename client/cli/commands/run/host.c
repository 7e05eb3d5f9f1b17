/* SPDX-License-Identifier: MIT */
/*
 * Host steering: a program on the tap before QEMU opens it.  QEMU takes off what it
 * finds there if rss is on, and from 10.1 on, if vhost is on, also with rss off.  So
 * rss is turned off, and librssb-qemu.so keeps QEMU from taking the program off.
 */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands/run/run.h"
#include "client/cli/net/tap.h"
#include "client/cli/qemu/args.h"
#include "client/cli/qemu/netdev.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/util/mem.h"
#include "proto/fd.h"

/* The tap of one device. */
struct host_tap {
	int queue; /* one of the tap's queues */
	bool own;  /* opened here and closed here; else an inherited fd that is QEMU's */
	bool steered;
	const struct qemu_device *dev;
};

struct host {
	struct run_plan *plan;
	const struct run_options *options;
	const struct qemu_args *args;
	struct host_tap *taps;
	size_t n;
	int r; /* of the first failure: then nothing more is done */
};

static int tap_fail(struct host *h, const struct qemu_device *dev, const char *why)
{
	return run_fail(h->plan, "%s: %s", run_device_name(dev), why);
}

static int tap_find(struct host *h, struct host_tap *tap, const struct qemu_device *dev)
{
	struct json_object *netdev = qemu_args_netdev(h->args, dev);
	const char *id = qemu_opts_get(dev->props, "netdev");
	const char *type = qemu_opts_get(netdev, "type");
	unsigned queues = netdev ? qemu_netdev_queues(netdev) : 0;
	const char *ifname;
	char reason[256];

	if (!id)
		return tap_fail(h, dev, "it has no netdev=ID, which would name the tap to steer");
	if (!netdev)
		return run_fail(h->plan,
				"%s: netdev %s is neither a -netdev nor in a -readconfig "
				"file",
				run_device_name(dev), id);
	if (!qemu_netdev_is_tap(netdev))
		return run_fail(h->plan,
				"%s: netdev %s is of type %s, and only a tap can be "
				"steered",
				run_device_name(dev), id, type ? type : "(none)");
	if (h->options->steering.queues > queues)
		return run_fail(h->plan, "%s: STEERING names queue %u, and its netdev has %u",
				run_device_name(dev), h->options->steering.queues - 1u, queues);
	tap->dev = dev;
	tap->queue = qemu_netdev_fd(netdev);
	if (tap->queue >= 0)
		return tap_check(tap->queue, reason, sizeof(reason)) ? tap_fail(h, dev, reason)
								     : CLI_OK;
	ifname = qemu_netdev_ifname(netdev);
	if (!ifname)
		return tap_fail(h, dev, "its netdev says neither ifname= nor fds=");
	tap->own = true;
	return tap_open(&tap->queue, ifname, reason, sizeof(reason)) ? tap_fail(h, dev, reason)
								     : CLI_OK;
}

static void tap_add(struct qemu_device *dev, void *ctx)
{
	struct host *h = ctx;

	if (!dev->on_host || h->r)
		return;
	h->taps[h->n] = (struct host_tap){ .queue = -1 };
	h->r = tap_find(h, &h->taps[h->n], dev);
	h->n++;
}

/* "tap0:tap1", for librssb-qemu.so; no interface has ':' in its name. */
static int taps_protect(struct host *h)
{
	_cleanup_free_ char *names = mem_format("%s", "");

	for (size_t i = 0; i < h->n; i++) {
		char name[IFNAMSIZ], *longer;
		int r = tap_name(h->taps[i].queue, name);

		if (r)
			return tap_fail(h, h->taps[i].dev, strerror(-r));
		longer = mem_format("%s%s%s", names, i ? ":" : "", name);
		free(names);
		names = longer;
	}
	if (run_preload(h->plan))
		return CLI_FAILED;
	return run_setenv(h->plan, "RSSB_HOST_STEERED", names);
}

/* Puts the program on the tap, which keeps it.  QEMU inherits the lease alone. */
static int tap_put(struct host *h, struct host_tap *tap, struct run_set *set)
{
	char reason[256];

	if (tap_steer(tap->queue, set->fds.prog, reason, sizeof(reason)))
		return tap_fail(h, tap->dev, reason);
	tap->steered = true;
	fd_closep(&set->fds.prog);
	run_tell_grant(h->options, run_device_name(tap->dev), set);
	return CLI_OK;
}

static int taps_steer(struct host *h)
{
	int r = run_sets_acquire(h->plan, h->options, h->n, RSSB_PROGRAM_ONLY);

	for (size_t i = 0; i < h->n && r == CLI_OK; i++)
		r = tap_put(h, &h->taps[i], &h->plan->sets.v[i]);
	return r ? r : taps_protect(h); /* last: a failure before it changes no environment */
}

static void taps_done(struct host *h)
{
	char reason[256];

	for (size_t i = 0; i < h->n; i++) {
		struct host_tap *tap = &h->taps[i];

		if (h->r && tap->steered)
			tap_steer(tap->queue, -1, reason, sizeof(reason));
		if (tap->own)
			fd_closep(&tap->queue);
	}
	free(h->taps);
}

int run_host_plan(struct run_plan *plan, const struct run_options *o, struct qemu_args *args,
		  size_t n)
{
	struct host h = {
		.plan = plan,
		.options = o,
		.args = args,
		.taps = mem_new(n, sizeof(*h.taps)),
	};

	qemu_args_each_device(args, tap_add, &h);
	if (h.r == CLI_OK)
		h.r = taps_steer(&h);
	taps_done(&h);
	return h.r;
}
