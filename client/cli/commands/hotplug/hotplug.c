/* SPDX-License-Identifier: MIT */
/* rssb hotplug: its command line. */
#include "client/cli/commands/hotplug/hotplug.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands/commands.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/util/mem.h"
#include "client/cli/util/why.h"
#include "proto/rssb_proto.h"

static struct hotplug_options options = { .device = "virtio-net-pci" };

/* Properties that have an option of their own, or are what this is about. */
static bool prop_is_ours(const char *name)
{
	return qemu_word_is_in(name, "driver id netdev rss ebpf-rss-fds");
}

static int prop_take(void *to, const char *text, char *why)
{
	struct hotplug_options *o = to;
	size_t len = strcspn(text, "=");
	_cleanup_free_ char *name = mem_must(strndup(text, len));

	if (!text[len] || !len)
		return why_set(why, -EINVAL, "--prop %s: must be K=V", text);
	if (prop_is_ours(name))
		return why_set(why, -EINVAL, "--prop %s: rssb hotplug sets it itself", text);
	if (!o->props)
		o->props = mem_must(json_object_new_object());
	mem_json_set_string(o->props, name, text + len + 1);
	return 0;
}

static const struct option_row rows[] = {
	OPTION_PARAGRAPH(
		"usage: rssb hotplug (--qmp SOCK | --libvirt DOMAIN) --netdev ID\n"
		"                    [--tap IFNAME --queues N [--vhost]] [--id ID]\n"
		"                    [--device TYPE] [--prop K=V]... [--exact] [--verbose]\n"
		"\n"
		"Plugs a virtio-net device with rss on and a steering set of its own into a\n"
		"running VM.  When a step fails QEMU is left as it was.\n"
		"\n"),
	HOTPLUG_OPTIONS_VM,
	{ "netdev", .argument = "ID", OPTION_TEXT(struct hotplug_options, netdev),
	  .help = "a netdev that QEMU has; with --tap one that is made" },
	{ "tap", .argument = "IFNAME", OPTION_TEXT(struct hotplug_options, tap),
	  .help = "a multi-queue tap that you may open; QEMU need not" },
	{ "queues", .argument = "N",
	  OPTION_NUMBER(struct hotplug_options, queues, 1, RSSB_QUEUES_MAX),
	  .help = "how many of its queues" },
	{ "vhost", OPTION_FLAG(struct hotplug_options, vhost),
	  .help = "with vhost=on: /dev/vhost-net is opened here, and QEMU need\n"
		  "not be able to" },
	{ "id", .argument = "ID", OPTION_TEXT(struct hotplug_options, id),
	  .help = "the device's (default: rss- and the netdev's)" },
	{ "device", .argument = "TYPE", OPTION_TEXT(struct hotplug_options, device),
	  .help = "(default: virtio-net-pci)" },
	{ "prop", .argument = "K=V", OPTION_CALL(prop_take),
	  .help = "a further property: mac=..., bus=..." },
	{ "exact", OPTION_FLAG(struct hotplug_options, exact),
	  .help = "QEMU's own object, imported by rssb extract, and no other" },
	{ "verbose", 'v', OPTION_FLAG(struct hotplug_options, verbose),
	  .help = "say what is done" },
	OPTION_PARAGRAPH(
		"\n"
		"rssb unplug takes it out again and ends the grant; so does the end of QEMU.\n"),
	OPTION_END,
};

static int options_check(const struct hotplug_options *o)
{
	if (!o->qmp == !o->domain)
		return cli_misuse(&cmd_hotplug, "needs either --qmp SOCK or --libvirt DOMAIN");
	if (!o->netdev)
		return cli_misuse(&cmd_hotplug, "needs --netdev");
	if (!o->tap != !o->queues)
		return cli_misuse(&cmd_hotplug, "--tap and --queues go together");
	if (o->vhost && !o->tap)
		return cli_misuse(&cmd_hotplug,
				  "--vhost goes with --tap: a netdev that is there has it "
				  "or not");
	return CLI_OK;
}

static int hotplug_run(struct cli *cli, int argc, char **argv)
{
	struct hotplug_options *o = &options;
	_cleanup_free_ char *id = NULL, *why = NULL;
	int status = options_check(o);

	if (!o->props) /* no --prop was given */
		o->props = mem_must(json_object_new_object());
	if (!status && !o->id)
		o->id = id = mem_format("rss-%s", o->netdev);
	o->socket = cli->socket;
	if (!status && hotplug_plug(o, &why))
		status = cli_fail(cmd_hotplug.name, "%s", why);
	json_object_put(o->props);
	return status;
}

const struct command cmd_hotplug = { "hotplug", rows, 20, &options, hotplug_run, .no_words = true };
