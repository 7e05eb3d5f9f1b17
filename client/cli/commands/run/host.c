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
#include "proto/util/fd.h"

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
};

/* Returns CLI_FAILED. */
#define tap_fail(h, dev, format, ...)                                                              \
	run_fail((h)->plan, "%s: " format, qemu_device_name(dev), ##__VA_ARGS__)

/* Opens a queue of the tap, or finds one that QEMU will inherit. */
static int tap_find(struct host *h, struct host_tap *tap, const struct qemu_device *dev)
{
	struct json_object *netdev = qemu_args_netdev(h->args, dev);
	const char *id = qemu_opts_get(dev->props, "netdev");
	const char *type = qemu_opts_get(netdev, "type"), *ifname = qemu_netdev_ifname(netdev);
	const unsigned queues = qemu_netdev_queues(netdev);
	char why[WHY_MAX];
	int r;

	*tap = (struct host_tap){ .queue = qemu_netdev_fd(netdev), .dev = dev };
	if (!id)
		return tap_fail(h, dev, "it has no netdev=ID, which would name the tap to steer");
	if (!netdev)
		return tap_fail(h, dev, "netdev %s is neither a -netdev nor in a -readconfig file",
				id);
	if (!qemu_netdev_is_tap(netdev))
		return tap_fail(h, dev, "netdev %s is of type %s, and only a tap can be steered",
				id, type ? type : "(none)");
	if (h->options->steering.queues > queues)
		return tap_fail(h, dev, "STEERING names queue %u, and its netdev has %u",
				h->options->steering.queues - 1u, queues);
	if (tap->queue < 0 && !ifname)
		return tap_fail(h, dev, "its netdev says neither ifname= nor fds=");
	tap->own = tap->queue < 0;
	r = tap->own ? tap_open(&tap->queue, ifname, why) : tap_check(tap->queue, why);
	return r ? tap_fail(h, dev, "%s", why) : CLI_OK;
}

static int taps_find(struct host *h)
{
	for (struct qemu_device *dev = NULL; (dev = qemu_args_next_device(h->args, dev));)
		if (dev->on_host && tap_find(h, &h->taps[h->n++], dev))
			return CLI_FAILED;
	return CLI_OK;
}

/* "tap0:tap1", for librssb-qemu.so; no interface has ':' in its name. */
static int taps_protect(struct host *h)
{
	_cleanup_free_ char *names = mem_format("%s", "");

	for (size_t i = 0; i < h->n; i++) {
		char name[IFNAMSIZ], *longer;
		int r = tap_name(h->taps[i].queue, name);

		if (r)
			return tap_fail(h, h->taps[i].dev, "%s", strerror(-r));
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
	char why[WHY_MAX];

	if (tap_steer(tap->queue, set->fds.prog, why))
		return tap_fail(h, tap->dev, "%s", why);
	tap->steered = true;
	fd_closep(&set->fds.prog);
	run_tell_grant(h->options, qemu_device_name(tap->dev), set);
	return CLI_OK;
}

static int taps_steer(struct host *h)
{
	int r = run_sets_acquire(h->plan, h->options, h->n, RSSB_PROGRAM_ONLY);

	for (size_t i = 0; i < h->n && r == CLI_OK; i++)
		r = tap_put(h, &h->taps[i], &h->plan->sets.v[i]);
	return r ? r : taps_protect(h); /* last: a failure before it changes no environment */
}

static void taps_done(struct host *h, bool failed)
{
	char why[WHY_MAX];

	for (size_t i = 0; i < h->n; i++) {
		struct host_tap *tap = &h->taps[i];

		if (failed && tap->steered)
			tap_steer(tap->queue, -1, why);
		if (tap->own)
			fd_closep(&tap->queue);
	}
	free(h->taps);
}

int run_host_plan(struct run_plan *plan, const struct run_options *o, const struct qemu_args *args,
		  size_t n)
{
	struct host h = { plan, o, args, .taps = mem_new(n, sizeof(*h.taps)) };
	int r = taps_find(&h);

	if (r == CLI_OK)
		r = taps_steer(&h);
	taps_done(&h, r);
	return r;
}
