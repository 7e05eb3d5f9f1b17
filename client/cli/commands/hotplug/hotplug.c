/* SPDX-License-Identifier: MIT */
/* rssb hotplug: its command line. */
#include "client/cli/commands/hotplug/hotplug.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands/commands.h"
#include "client/cli/util/mem.h"
#include "proto/rssb_proto.h"

static const struct option options[] = {
	{ "qmp", required_argument, NULL, 'q' },    { "libvirt", required_argument, NULL, 'l' },
	{ "netdev", required_argument, NULL, 'n' }, { "tap", required_argument, NULL, 't' },
	{ "queues", required_argument, NULL, 'Q' }, { "vhost", no_argument, NULL, 'V' },
	{ "id", required_argument, NULL, 'i' },	    { "device", required_argument, NULL, 'd' },
	{ "prop", required_argument, NULL, 'p' },   { "exact", no_argument, NULL, 'e' },
	{ "verbose", no_argument, NULL, 'v' },	    CLI_OPTIONS_END,
};

static const struct cli_usage usage = {
	.name = "hotplug",
	.shorts = ":hv",
	.options = options,
	.help = "usage: rssb hotplug (--qmp SOCK | --libvirt DOMAIN) --netdev ID\n"
		"                    [--tap IFNAME --queues N [--vhost]] [--id ID]\n"
		"                    [--device TYPE] [--prop K=V]... [--exact] [--verbose]\n"
		"\n"
		"Plugs a virtio-net device with rss on and a steering set of its own into a\n"
		"running VM.  When a step fails QEMU is left as it was.\n"
		"\n"
		"  --qmp SOCK        QEMU's QMP socket\n"
		"  --libvirt DOMAIN  through libvirt's monitor, by virsh (LIBVIRT_DEFAULT_URI\n"
		"                    says which libvirt)\n"
		"  --netdev ID       a netdev that QEMU has; with --tap one that is made\n"
		"  --tap IFNAME      a multi-queue tap that you may open; QEMU need not\n"
		"  --queues N        how many of its queues\n"
		"  --vhost           with vhost=on: /dev/vhost-net is opened here, and QEMU need\n"
		"                    not be able to\n"
		"  --id ID           the device's (default: rss- and the netdev's)\n"
		"  --device TYPE     (default: virtio-net-pci)\n"
		"  --prop K=V        a further property: mac=..., bus=...\n"
		"  --exact           QEMU's own object, imported by rssb extract, and no other\n"
		"  -v, --verbose     say what is done\n"
		"\n"
		"rssb unplug takes it out again and ends the grant; so does the end of QEMU.\n",
};

static int queues_parse(struct hotplug_options *o, const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || text[0] == '-' || n < 1 || n > RSSB_QUEUES_MAX)
		return cli_misuse(&usage, "--queues %s: must be 1 to %u", text, RSSB_QUEUES_MAX);
	o->queues = (unsigned int)n;
	return CLI_OK;
}

/* Properties that have an option of their own, or are what this is about. */
static bool prop_is_ours(const char *name)
{
	static const char *const ours[] = { "driver", "id", "netdev", "rss", "ebpf-rss-fds" };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strcmp(name, ours[i]) == 0)
			return true;
	return false;
}

static int prop_parse(struct hotplug_options *o, const char *text)
{
	size_t len = strcspn(text, "=");
	_cleanup_free_ char *name = mem_must(strndup(text, len));

	if (!text[len] || !len)
		return cli_misuse(&usage, "--prop %s: must be K=V", text);
	if (prop_is_ours(name))
		return cli_misuse(&usage, "--prop %s: rssb hotplug sets it itself", name);
	mem_json_set_string(o->props, name, text + len + 1);
	return CLI_OK;
}

static int option_take(struct hotplug_options *o, int opt)
{
	switch (opt) {
	case 'q':
		o->qmp = optarg;
		break;
	case 'l':
		o->domain = optarg;
		break;
	case 'n':
		o->netdev = optarg;
		break;
	case 't':
		o->tap = optarg;
		break;
	case 'V':
		o->vhost = true;
		break;
	case 'Q':
		return queues_parse(o, optarg);
	case 'i':
		free(o->id);
		o->id = mem_must(strdup(optarg));
		break;
	case 'd':
		o->device = optarg;
		break;
	case 'p':
		return prop_parse(o, optarg);
	case 'e':
		o->exact = true;
		break;
	default:
		o->verbose = true;
	}
	return CLI_OK;
}

static int options_check(struct hotplug_options *o, int argc, char **argv)
{
	if (optind < argc)
		return cli_misuse(&usage, "unexpected argument: %s", argv[optind]);
	if (!o->qmp == !o->domain)
		return cli_misuse(&usage, "needs either --qmp SOCK or --libvirt DOMAIN");
	if (!o->netdev)
		return cli_misuse(&usage, "needs --netdev");
	if (!o->tap != !o->queues)
		return cli_misuse(&usage, "--tap and --queues go together");
	if (o->vhost && !o->tap)
		return cli_misuse(&usage, "--vhost goes with --tap: a netdev that is there has it "
					  "or not");
	if (!o->id)
		o->id = mem_format("rss-%s", o->netdev);
	return CLI_OK;
}

static int hotplug(const struct cli *cli, struct hotplug_options *o, int argc, char **argv)
{
	_cleanup_free_ char *why = NULL;
	int opt, r;

	while ((opt = cli_getopt(&usage, argc, argv)) != -1) {
		if (opt == 'h' || opt == '?')
			return cli_usage_status(opt);
		r = option_take(o, opt);
		if (r)
			return r;
	}
	o->socket = cli->socket;
	r = options_check(o, argc, argv);
	if (r)
		return r;
	r = hotplug_plug(o, &why);
	return r ? cli_fail(usage.name, "%s", why) : CLI_OK;
}

int cmd_hotplug(struct cli *cli, int argc, char **argv)
{
	struct hotplug_options o = {
		.device = "virtio-net-pci",
		.props = mem_must(json_object_new_object()),
	};
	int status = hotplug(cli, &o, argc, argv);

	free(o.id);
	json_object_put(o.props);
	return status;
}
