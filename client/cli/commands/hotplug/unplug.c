/* SPDX-License-Identifier: MIT */
/*
 * rssb unplug: a NIC, its netdev and the lease of its grant are taken out of a VM, in
 * this order, each when the one before is gone.  It must never take the netdev from
 * a device that the guest has not let go of.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands/commands.h"
#include "client/cli/commands/hotplug/hotplug.h"
#include "client/cli/commands/hotplug/vm.h"
#include "client/cli/qemu/monitor.h"
#include "client/cli/util/mem.h"
#include "proto/util/deadline.h"

enum { WAIT_MS = 30000 }; /* a guest's PCIe hotplug driver takes 5 s */

static struct unplug {
	struct hotplug_options o; /* qmp, domain, id, netdev and verbose are used */
	int wait_ms;
	struct vm vm;
	char *netdev; /* the device's; NULL: it has none */
} options = { .wait_ms = WAIT_MS };

static const struct option_row rows[] = {
	OPTION_PARAGRAPH(
		"usage: rssb unplug (--qmp SOCK | --libvirt DOMAIN) --id ID [--netdev ID]\n"
		"                   [--wait SECONDS] [--verbose]\n"
		"\n"
		"Takes a NIC of rssb hotplug out of a running VM, once the guest has let\n"
		"go of it, then its netdev, and ends the grant.\n"
		"\n"),
	HOTPLUG_OPTIONS_VM,
	{ "id", .argument = "ID", OPTION_TEXT(struct unplug, o.id), .help = "the device's" },
	{ "netdev", .argument = "ID", OPTION_TEXT(struct unplug, o.netdev),
	  .help = "its netdev, where the device is gone already" },
	{ "wait", .argument = "SECONDS", OPTION_MS(struct unplug, wait_ms, 0, 86400),
	  .help = "for the guest (default: 30)" },
	{ "verbose", 'v', OPTION_FLAG(struct unplug, o.verbose), .help = "say what is done" },
	OPTION_END,
};

/* --- the steps ---------------------------------------------------------------- */

static int netdev_ask(struct unplug *u)
{
	_cleanup_free_ char *path = mem_format("/machine/peripheral/%s", u->o.id);
	_cleanup_json_ struct json_object *value = NULL;
	struct json_object *arguments = mem_json_pair("path", path);
	const char *text;
	int r;

	mem_json_set_string(arguments, "property", "netdev");
	r = vm_execute(&u->vm, "qom-get", arguments, -1, &value);
	if (r)
		return r;
	text = json_object_get_string(value);
	if (text && *text)
		u->netdev = mem_format("%s", text);
	return CLI_OK;
}

static int device_delete(struct unplug *u)
{
	int r = vm_execute(&u->vm, "device_del", mem_json_pair("id", u->o.id), -1, NULL);

	/* QEMU was asked before, and waits for the guest: that is no failure. */
	if (!r || !strstr(u->vm.why, "in the process of unplug"))
		return r;
	vm_fail_line(&u->vm, NULL);
	return CLI_OK;
}

/*
 * Waits until QEMU no longer lists the device.  The event DEVICE_DELETED only says when to look
 * again.
 */
static int device_wait(struct unplug *u)
{
	int64_t deadline = deadline_in(u->wait_ms);
	bool there;

	for (;;) {
		int r = vm_has_device(&u->vm, u->o.id, &there), left = deadline_left_ms(deadline);

		if (r || !there)
			return r;
		if (left == 0)
			return vm_fail(&u->vm,
				       "%s: the guest has not let go of it within %g s: "
				       "nothing was taken from it; run rssb unplug again "
				       "to go on waiting",
				       u->o.id, u->wait_ms / 1e3);
		r = monitor_wait(u->vm.monitor, left);
		if (r && r != -ETIMEDOUT)
			return vm_fail(&u->vm, "DEVICE_DELETED: %s", monitor_why(u->vm.monitor));
	}
}

static int device_remove(struct unplug *u)
{
	static int (*const steps[])(struct unplug * u) = { netdev_ask, device_delete, device_wait };
	int r = CLI_OK;

	for (size_t i = 0; !r && i < sizeof(steps) / sizeof(steps[0]); i++)
		r = steps[i](u);
	if (!r)
		cli_tell(u->o.verbose, cmd_unplug.name, "device %s is gone", u->o.id);
	return r;
}

/* Adds what failed to what failed before it. */
static int rest_fail(struct unplug *u, const char *command)
{
	return vm_remark(&u->vm, "%s: %s", command, monitor_why(u->vm.monitor));
}

static int netdev_remove(struct unplug *u)
{
	const char *netdev = u->o.netdev ? u->o.netdev : u->netdev;

	if (!netdev)
		return CLI_OK;
	if (monitor_execute(u->vm.monitor, "netdev_del", mem_json_pair("id", netdev), -1, NULL))
		return rest_fail(u, "netdev_del");
	cli_tell(u->o.verbose, cmd_unplug.name, "netdev %s is gone", netdev);
	return CLI_OK;
}

/* *ret: QEMU had the lease.  closefd does not find one that rssb run or another monitor gave. */
static int lease_give_back(struct unplug *u, bool *ret)
{
	_cleanup_free_ char *name = hotplug_fd_name(&u->o, "lease");
	int r = monitor_execute(u->vm.monitor, "closefd", mem_json_pair("fdname", name), -1, NULL);

	if (r && r != -EREMOTEIO)
		return rest_fail(u, "closefd");
	*ret = !r;
	cli_tell(u->o.verbose, cmd_unplug.name,
		 r ? "this monitor has no %s: no grant is ended" : "%s is closed: the grant ends",
		 name);
	return CLI_OK;
}

/* Tries both, even if the first one fails. */
static int rest_remove(struct unplug *u, bool *ret_leased)
{
	int netdev = netdev_remove(u), lease = lease_give_back(u, ret_leased);

	if (netdev || lease)
		vm_remark(&u->vm, "device %s is gone", u->o.id);
	return netdev ? netdev : lease;
}

static int unplug(struct unplug *u)
{
	bool there = false, leased = false;
	int r = vm_reach(&u->vm, u->o.qmp, u->o.domain);

	if (!r)
		r = vm_has_device(&u->vm, u->o.id, &there);
	if (!r && there)
		r = device_remove(u);
	if (!r)
		r = rest_remove(u, &leased);
	if (r || there || u->o.netdev)
		return r;
	return vm_fail(&u->vm, "%s: there is no device of that id%s", u->o.id,
		       leased ? "; its grant was ended, and --netdev ID removes "
				"the netdev that it had"
			      : "");
}

static int unplug_run(struct cli *cli, int argc, char **argv)
{
	struct unplug *u = &options;
	int r;

	if (!u->o.qmp == !u->o.domain)
		return cli_misuse(&cmd_unplug, "needs either --qmp SOCK or --libvirt DOMAIN");
	if (!u->o.id)
		return cli_misuse(&cmd_unplug, "needs --id");
	r = unplug(u);
	if (r)
		cli_fail(cmd_unplug.name, "%s", u->vm.why);
	vm_done(&u->vm);
	free(u->netdev);
	free(u->vm.why);
	return r;
}

const struct command cmd_unplug = { "unplug", rows, 20, &options, unplug_run, .no_words = true };
