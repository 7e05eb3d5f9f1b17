/* SPDX-License-Identifier: MIT */
/*
 * Devices with rss on whose netdev has vhost on, at a QEMU that does not use their
 * set then.  It must never let such a device start without a word.
 */
#include <json-c/json.h>

#include "client/cli/commands/run/run.h"
#include "client/cli/qemu/args.h"
#include "client/cli/qemu/netdev.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/qemu/probe.h"
#include "client/cli/qemu/quirks.h"

/* Without its set: the packets of its device are steered by nobody either way. */
static void leave_out(struct qemu_device *dev, const struct qemu_probe *probe)
{
	cli_fail("run",
		 "warning: %s: gets no set, since QEMU %d.%d uses none with vhost=on "
		 "(" QEMU_VHOST_SEEN
		 "): --no-vhost turns vhost off, --host-steering STEERING steers its tap",
		 qemu_device_name(dev), probe->major, probe->minor);
	dev->wants_fds = dev->turn_rss_on = false;
}

static int device_check(struct run_plan *plan, const struct run_options *o, struct qemu_args *args,
			const struct qemu_probe *probe, struct qemu_device *dev)
{
	const char *name = qemu_device_name(dev), *netdev = qemu_opts_get(dev->props, "netdev");

	if (o->no_vhost) {
		qemu_args_turn_vhost_off(args, dev);
		cli_tell(o->verbose, "run", "%s: vhost=off at netdev %s", name, netdev);
	} else if (!probe->major) {
		cli_fail("run",
			 "warning: %s: has vhost=on, with which QEMU 10.1 and newer use no set; "
			 "--no-probe leaves the version unknown",
			 name);
	} else if (o->optional) {
		leave_out(dev, probe);
	} else {
		return run_fail(plan,
				"%s: QEMU %d.%d uses no set with vhost=on (" QEMU_VHOST_SEEN
				"): say vhost=off at netdev %s, or run with --no-vhost, which "
				"does that here, or with --host-steering STEERING, which steers "
				"its tap",
				name, probe->major, probe->minor, netdev);
	}
	return CLI_OK;
}

int run_vhost_check(struct run_plan *plan, const struct run_options *o, struct qemu_args *args,
		    const struct qemu_probe *probe, size_t *wanting)
{
	/* Of a QEMU that was not asked the version is 0. */
	if (probe->major && !qemu_drops_fds_with_vhost(probe->major, probe->minor))
		return CLI_OK;
	for (struct qemu_device *dev = NULL; (dev = qemu_args_next_device(args, dev));) {
		if (!dev->wants_fds || !qemu_netdev_vhost(qemu_args_netdev(args, dev)))
			continue;
		if (device_check(plan, o, args, probe, dev))
			return CLI_FAILED;
		*wanting -= !dev->wants_fds;
	}
	return CLI_OK;
}
