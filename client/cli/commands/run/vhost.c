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

struct vhost_check {
	struct run_plan *plan;
	const struct run_options *options;
	struct qemu_args *args;
	const struct qemu_probe *probe; /* major 0: QEMU was not asked */
	size_t left_out;
	int r;
};

/* Without its set: the packets of its device are steered by nobody either way. */
static void leave_out(struct vhost_check *c, struct qemu_device *dev)
{
	cli_fail("run",
		 "warning: %s: gets no set, since QEMU %d.%d uses none with vhost=on "
		 "(" QEMU_VHOST_SEEN
		 "): --no-vhost turns vhost off, --host-steering STEERING steers its tap",
		 run_device_name(dev), c->probe->major, c->probe->minor);
	dev->wants_fds = dev->turn_rss_on = false;
	c->left_out++;
}

static void vhost_turn_off(struct vhost_check *c, const struct qemu_device *dev, const char *netdev)
{
	qemu_args_turn_vhost_off(c->args, dev);
	cli_tell(c->options->verbose, "run", "%s: vhost=off at netdev %s", run_device_name(dev),
		 netdev);
}

static void device_check(struct qemu_device *dev, void *ctx)
{
	struct vhost_check *c = ctx;
	const char *netdev = qemu_opts_get(dev->props, "netdev");

	if (c->r || !dev->wants_fds || !qemu_netdev_vhost(qemu_args_netdev(c->args, dev)))
		return;
	if (c->options->no_vhost)
		vhost_turn_off(c, dev, netdev);
	else if (!c->probe->major)
		cli_fail("run",
			 "warning: %s: has vhost=on, with which QEMU 10.1 and newer use no set; "
			 "--no-probe leaves the version unknown",
			 run_device_name(dev));
	else if (c->options->optional)
		leave_out(c, dev);
	else
		c->r = run_fail(c->plan,
				"%s: QEMU %d.%d uses no set with vhost=on (" QEMU_VHOST_SEEN
				"): say vhost=off at netdev %s, or run with --no-vhost, which "
				"does that here, or with --host-steering STEERING, which steers "
				"its tap",
				run_device_name(dev), c->probe->major, c->probe->minor, netdev);
}

int run_vhost_check(struct run_plan *plan, const struct run_options *o, struct qemu_args *args,
		    const struct qemu_probe *probe, size_t *wanting)
{
	struct vhost_check c = { .plan = plan, .options = o, .args = args, .probe = probe };

	if (probe->major && !qemu_drops_fds_with_vhost(probe->major, probe->minor))
		return CLI_OK;
	qemu_args_each_device(args, device_check, &c);
	*wanting -= c.left_out;
	return c.r;
}
