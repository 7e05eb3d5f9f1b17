/* SPDX-License-Identifier: MIT */
/*
 * Plugging in, step by step.  Whatever fails, what the steps before it left in
 * QEMU is taken back: named fds are closed, a netdev that was made is removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/commands/commands.h"
#include "client/cli/commands/hotplug/hotplug.h"
#include "client/cli/commands/hotplug/vm.h"
#include "client/cli/net/tap.h"
#include "client/cli/qemu/monitor.h"
#include "client/cli/qemu/qemu_object.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/qemu/quirks.h"
#include "client/cli/qemu/types.h"
#include "client/cli/util/mem.h"
#include "client/cli/util/retry.h"
#include "proto/util/fd.h"

#define VHOST_NET "/dev/vhost-net"

enum {
	WAIT_MS = 10000,       /* for a busy or restarting broker */
	STEPS_MAX_MS = 120000, /* for QEMU's answers, of which each has ten seconds */
	UNDO_MAX_MS = 10000,
};

struct plug {
	const struct hotplug_options *o;
	struct vm vm;
	struct json_object *types; /* of the device's properties */
	struct qemu_object object; /* QEMU's own */
	const uint8_t *object_id;  /* of the one that the broker is asked for */
	struct rssb_fds set;
	int *queues, *vhosts;	   /* of the tap and /dev/vhost-net, o->queues each; -1: not open */
	struct json_object *given; /* names of fds that QEMU holds */
	bool netdev_made, device_tried;
};

/* Gives QEMU a copy of fd by a name that it keeps when the connection ends. */
static int fd_give(struct plug *p, const char *what, int fd)
{
	_cleanup_free_ char *name = hotplug_fd_name(p->o, what);

	mem_json_add(p->given, json_object_new_string(name));
	return vm_execute(&p->vm, "getfd", mem_json_pair("fdname", name), fd, NULL);
}

/* --- the steps ---------------------------------------------------------------- */

/*
 * The lease is given to QEMU under a name made of the device's id: it must not replace the
 * lease of a device that is plugged in.
 */
static int id_check(struct plug *p)
{
	bool there;
	int r = vm_has_device(&p->vm, p->o->id, &there);

	if (r || !there)
		return r;
	return vm_fail(&p->vm,
		       "%s: there is a device of that id: give another --id, or "
		       "rssb unplug it first",
		       p->o->id);
}

/* Whether this QEMU uses a set with vhost=on. */
static int vhost_check(struct plug *p)
{
	_cleanup_json_ struct json_object *version = NULL;
	int r, major, minor;

	if (!p->o->vhost)
		return CLI_OK;
	r = vm_execute(&p->vm, "query-version", NULL, -1, &version);
	if (r)
		return r;
	qemu_version_read(version, &major, &minor);
	if (!qemu_drops_fds_with_vhost(major, minor))
		return CLI_OK;
	return vm_fail(&p->vm,
		       "--vhost: QEMU %d.%d uses no set with vhost=on "
		       "(" QEMU_VHOST_SEEN "): leave it out",
		       major, minor);
}

/*
 * Without --tap: refuses a netdev that is no tap.  QEMU would plug the device in, and nothing
 * would steer its packets.
 */
static int netdev_check(struct plug *p)
{
	_cleanup_free_ char *type = p->o->tap ? NULL : vm_network_type(&p->vm, p->o->netdev, false);

	if (!type || strcmp(type, "tap") == 0)
		return CLI_OK;
	return vm_fail(&p->vm,
		       "netdev %s is of type %s, and only a tap can be steered: give "
		       "another --netdev, with --tap IFNAME --queues N",
		       p->o->netdev, type);
}

static int types_ask(struct plug *p)
{
	_cleanup_json_ struct json_object *list = NULL;
	int r = vm_execute(&p->vm, "device-list-properties",
			   mem_json_pair("typename", p->o->device), -1, &list);

	if (r)
		return r;
	p->types = qemu_types_of_list(list);
	if (!json_object_object_get_ex(p->types, "ebpf-rss-fds", NULL))
		return vm_fail(&p->vm,
			       "%s of this QEMU cannot take the fds (no ebpf-rss-fds): "
			       "the virtio-net devices of 9.0 and newer can",
			       p->o->device);
	return CLI_OK;
}

/*
 * Chooses the object by what the running QEMU exports: the QEMU that is installed may be
 * another by now.
 */
static int object_ask(struct plug *p)
{
	_cleanup_json_ struct json_object *value = NULL;
	_cleanup_free_ char *described = NULL;
	char *why = NULL;
	int r = vm_execute(&p->vm, "request-ebpf", mem_json_pair("id", "rss"), -1, &value);

	if (r)
		return r;
	qemu_object_decode(&p->object, qemu_opts_get(value, "object"));
	if (qemu_object_choose(&p->object, p->o->exact, &p->object_id, &why))
		return vm_fail_line(&p->vm, why);
	described = qemu_object_describe(&p->object, p->object_id);
	cli_tell(p->o->verbose, "hotplug", "%s", described);
	return CLI_OK;
}

/* QEMU fills the maps itself: a handoff without configuration. */
static int set_acquire(struct plug *p)
{
	const struct rssb_acquire_options options = {
		.size = sizeof(options),
		.kind = RSSB_HANDOFF,
		.object_id = p->object_id,
	};
	struct retry a = { .what = "hotplug", .socket = p->o->socket, .verbose = p->o->verbose };
	struct rssb_grant grant;
	int r;

	retry_start(&a, WAIT_MS);
	r = retry_acquire(&a, &options, &p->set, &grant);
	if (r == -ENOENT && a.connected && p->object_id)
		vm_fail_line(&p->vm, qemu_object_missing(p->object_id));
	else if (r)
		vm_fail(&p->vm, "%s", a.why);
	else
		cli_tell(p->o->verbose, "hotplug", "grant %" PRIu64, grant.id);
	retry_done(&a);
	return r ? CLI_FAILED : CLI_OK;
}

static int queues_open(struct plug *p)
{
	char why[WHY_MAX];

	for (unsigned int i = 0; i < p->o->queues; i++)
		if (tap_queue_open(&p->queues[i], p->o->tap, why))
			return vm_fail(&p->vm, "queue %u of %u: %s", i + 1, p->o->queues, why);
	return CLI_OK;
}

static int vhosts_open(struct plug *p)
{
	for (unsigned int i = 0; p->o->vhost && i < p->o->queues; i++) {
		p->vhosts[i] = open(VHOST_NET, O_RDWR | O_CLOEXEC);
		if (p->vhosts[i] < 0)
			return vm_fail(&p->vm,
				       "--vhost: " VHOST_NET ": %s (rssb doctor says "
				       "what helps)",
				       strerror(errno));
	}
	return CLI_OK;
}

static int set_give(struct plug *p)
{
	const struct {
		const char *what;
		int fd;
	} fds[] = { { "program", p->set.prog },
		    { "config", p->set.config },
		    { "key", p->set.key },
		    { "table", p->set.table },
		    { "lease", p->set.lease } };
	int r = CLI_OK;

	for (size_t i = 0; !r && i < sizeof(fds) / sizeof(fds[0]); i++)
		r = fd_give(p, fds[i].what, fds[i].fd);
	return r;
}

/*
 * Gives QEMU an fd for each queue.  *ret_names, to be freed: "rssb-queue0-ID:rssb-
 * queue1-ID:...".
 */
static int fds_give(struct plug *p, const char *kind, const int *fds, char **ret_names)
{
	_cleanup_free_ char *names = mem_format("%s", "");
	int r = CLI_OK;

	for (unsigned int i = 0; !r && i < p->o->queues; i++) {
		_cleanup_free_ char *what = mem_format("%s%u", kind, i);
		_cleanup_free_ char *name = hotplug_fd_name(p->o, what);
		char *longer = mem_format("%s%s%s", names, i ? ":" : "", name);

		free(names);
		names = longer;
		r = fd_give(p, what, fds[i]);
	}
	if (!r)
		*ret_names = mem_must(strdup(names));
	return r;
}

static int netdev_make(struct plug *p)
{
	_cleanup_free_ char *queues = NULL, *vhosts = NULL;
	struct json_object *arguments;
	int r;

	if (!p->o->tap)
		return CLI_OK;
	r = fds_give(p, "queue", p->queues, &queues);
	if (!r && p->o->vhost)
		r = fds_give(p, "vhost", p->vhosts, &vhosts);
	if (r)
		return r;
	arguments = mem_json_pair("type", "tap");
	mem_json_set_string(arguments, "id", p->o->netdev);
	mem_json_set_string(arguments, "fds", queues);
	mem_json_set(arguments, "vhost", json_object_new_boolean(p->o->vhost));
	if (vhosts)
		mem_json_set_string(arguments, "vhostfds", vhosts);
	r = vm_execute(&p->vm, "netdev_add", arguments, -1, NULL);
	p->netdev_made = r == CLI_OK;
	if (!r)
		cli_tell(p->o->verbose, "hotplug", "netdev %s: %u queues of %s%s", p->o->netdev,
			 p->o->queues, p->o->tap, p->o->vhost ? ", with vhost" : "");
	return r;
}

static int device_make(struct plug *p)
{
	int r = vm_execute(&p->vm, "device_add", hotplug_device(p->o, p->types), -1, NULL);

	p->device_tried = true;
	if (!r)
		cli_tell(p->o->verbose, "hotplug", "device %s, a %s", p->o->id, p->o->device);
	return r;
}

/* --- all of them, or none ------------------------------------------------------- */

/*
 * Closes the fds that QEMU was given.  A device takes its fds with their names, so that closefd
 * may find no such name; that is no failure.
 */
static void given_take_back(struct plug *p)
{
	for (size_t i = 0; i < json_object_array_length(p->given); i++) {
		struct json_object *name = json_object_array_get_idx(p->given, i);

		monitor_execute(p->vm.monitor, "closefd",
				mem_json_pair("fdname", json_object_get_string(name)), -1, NULL);
	}
}

static void netdev_take_back(struct plug *p)
{
	char why[WHY_MAX];

	/* Detached queues take no packets from the tap, even if QEMU keeps them open. */
	for (unsigned int i = 0; i < p->o->queues; i++)
		if (p->queues[i] >= 0 && tap_queue_detach(p->queues[i], why))
			vm_remark(&p->vm, "queue %u: %s", i + 1, why);
	if (p->netdev_made && monitor_execute(p->vm.monitor, "netdev_del",
					      mem_json_pair("id", p->o->netdev), -1, NULL))
		vm_remark(&p->vm, "netdev_del %s: \"%s\"", p->o->netdev,
			  monitor_why(p->vm.monitor));
}

/*
 * QEMU 10.0 does not take a NIC that failed late off its netdev, which then neither serves another
 * device nor goes by netdev_del.  "info network" alone shows it.
 */
static void undo(struct plug *p)
{
	_cleanup_free_ char *nic = NULL;

	/* One that answered no more is not waited for once for each fd. */
	monitor_limit(p->vm.monitor, UNDO_MAX_MS);
	given_take_back(p);
	netdev_take_back(p);
	nic = p->device_tried ? vm_network_type(&p->vm, p->o->id, true) : NULL;
	if (!nic)
		return;
	if (p->netdev_made)
		vm_remark(&p->vm, "this QEMU keeps the netdev's queues, detached from the tap");
	else
		vm_remark(&p->vm, "netdev %s stays in use in this QEMU for good: take another",
			  p->o->netdev);
}

static int plug(struct plug *p)
{
	static int (*const steps[])(struct plug * p) = {
		id_check,    netdev_check, vhost_check, types_ask,   object_ask,  set_acquire,
		queues_open, vhosts_open,  set_give,	netdev_make, device_make,
	};
	int r = CLI_OK;

	if (vm_reach(&p->vm, p->o->qmp, p->o->domain))
		return CLI_FAILED;
	monitor_limit(p->vm.monitor, STEPS_MAX_MS);
	for (size_t i = 0; !r && i < sizeof(steps) / sizeof(steps[0]); i++)
		r = steps[i](p);
	if (r)
		undo(p);
	return r;
}

int hotplug_plug(const struct hotplug_options *o, char **ret_why)
{
	struct plug p = {
		.o = o,
		.set = RSSB_FDS_INIT,
		.queues = mem_new(o->queues, sizeof(*p.queues)),
		.vhosts = mem_new(o->queues, sizeof(*p.vhosts)),
		.given = mem_must(json_object_new_array()),
	};
	int r;

	for (unsigned int i = 0; i < o->queues; i++)
		p.queues[i] = p.vhosts[i] = -1;
	r = plug(&p);
	vm_done(&p.vm);
	rssb_fds_close(&p.set);
	for (unsigned int i = 0; i < o->queues; i++) {
		fd_closep(&p.queues[i]);
		fd_closep(&p.vhosts[i]);
	}
	free(p.queues);
	free(p.vhosts);
	json_object_put(p.types);
	qemu_object_done(&p.object);
	json_object_put(p.given);
	*ret_why = p.vm.why;
	return r;
}
