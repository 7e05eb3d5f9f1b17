/* SPDX-License-Identifier: MIT */
/*
 * Plugging in, step by step.  Whatever fails, what the steps before it left in
 * QEMU is taken back: named fds are closed, a netdev that was made is removed.
 */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/commands/commands.h"
#include "client/cli/commands/hotplug/hotplug.h"
#include "client/cli/net/tap.h"
#include "client/cli/qemu/monitor.h"
#include "client/cli/qemu/object.h"
#include "client/cli/qemu/object_choice.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/qemu/types.h"
#include "client/cli/util/mem.h"
#include "client/cli/util/retry.h"
#include "proto/fd.h"

enum { WAIT_MS = 10000 }; /* for a busy or restarting broker */

struct plug {
	const struct hotplug_options *o;
	struct monitor *monitor;
	struct json_object *types; /* of the device's properties */
	struct qemu_object object; /* QEMU's own */
	const uint8_t *object_id;  /* of the one that the broker is asked for */
	struct rssb_fds set;
	int *queues;		   /* of the tap, o->queues of them; -1: not open */
	struct json_object *given; /* names of fds that QEMU holds */
	bool netdev_made, device_tried;
	char *why; /* of the step that failed */
};

static int fail(struct plug *p, char *why)
{
	free(p->why);
	p->why = why;
	return CLI_FAILED;
}

/* { key: value } */
static struct json_object *argument(const char *key, const char *value)
{
	struct json_object *arguments = mem_must(json_object_new_object());

	mem_json_set_string(arguments, key, value);
	return arguments;
}

/* Takes arguments.  fd: -1, or one that goes along with the command. */
static int execute(struct plug *p, const char *command, struct json_object *arguments, int fd,
		   struct json_object **ret)
{
	int r = monitor_execute(p->monitor, command, arguments, fd, ret);
	const char *why = monitor_why(p->monitor);

	if (r == -EREMOTEIO)
		return fail(p, mem_format("%s: QEMU says \"%s\"%s", command, why,
					  hotplug_advice(command, why)));
	return r ? fail(p, mem_format("%s: %s", command, why)) : CLI_OK;
}

/* Gives QEMU a copy of fd by a name that it keeps when the connection ends. */
static int fd_give(struct plug *p, const char *what, int fd)
{
	_cleanup_free_ char *name = hotplug_fd_name(p->o, what);
	struct json_object *given = json_object_new_string(name);

	if (json_object_array_add(p->given, mem_must(given)))
		mem_must(NULL);
	return execute(p, "getfd", argument("fdname", name), fd, NULL);
}

/* --- the steps ---------------------------------------------------------------- */

/* The lease's name is the device's: it must not replace the one of a device that lives. */
static int id_check(struct plug *p)
{
	_cleanup_json_ struct json_object *list = NULL;
	int r = execute(p, "qom-list", argument("path", "/machine/peripheral"), -1, &list);

	for (size_t i = 0; !r && i < json_object_array_length(list); i++) {
		const char *id = qemu_opts_get(json_object_array_get_idx(list, i), "name");

		if (id && strcmp(id, p->o->id) == 0)
			return fail(p, mem_format("%s: there is a device of that id: give "
						  "another --id, or device_del it first",
						  id));
	}
	return r;
}

static int types_ask(struct plug *p)
{
	_cleanup_json_ struct json_object *list = NULL;
	int r = execute(p, "device-list-properties", argument("typename", p->o->device), -1, &list);

	if (r)
		return r;
	p->types = qemu_types_of_list(list);
	if (!json_object_object_get_ex(p->types, "ebpf-rss-fds", NULL))
		return fail(p, mem_format("%s: this QEMU's cannot take the fds (no ebpf-rss-fds): "
					  "the virtio-net devices of 9.0 and newer can",
					  p->o->device));
	return CLI_OK;
}

/* The running QEMU's own object, whatever is installed by now, decides. */
static int object_ask(struct plug *p)
{
	_cleanup_json_ struct json_object *value = NULL;
	_cleanup_free_ char *described = NULL;
	char *why = NULL;
	int r = execute(p, "request-ebpf", argument("id", "rss"), -1, &value);

	if (r)
		return r;
	qemu_object_decode(&p->object, qemu_opts_get(value, "object"));
	if (object_choose(&p->object, p->o->exact, &p->object_id, &why))
		return fail(p, why);
	described = object_choice_describe(&p->object, p->object_id);
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
		fail(p, object_choice_missing(p->object_id));
	else if (r)
		fail(p, mem_format("%s", retry_reason(&a)));
	else
		cli_tell(p->o->verbose, "hotplug", "grant %" PRIu64, grant.id);
	retry_done(&a);
	return r ? CLI_FAILED : CLI_OK;
}

static int queues_open(struct plug *p)
{
	char reason[256];

	for (unsigned int i = 0; i < p->o->queues; i++)
		if (tap_queue_open(&p->queues[i], p->o->tap, reason, sizeof(reason)))
			return fail(p,
				    mem_format("queue %u of %u: %s", i + 1, p->o->queues, reason));
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

/* "rssb-queue0-ID:rssb-queue1-ID:...", having given them.  To be freed. */
static int queues_give(struct plug *p, char **ret_names)
{
	_cleanup_free_ char *names = mem_format("%s", "");
	int r = CLI_OK;

	for (unsigned int i = 0; !r && i < p->o->queues; i++) {
		_cleanup_free_ char *what = mem_format("queue%u", i);
		_cleanup_free_ char *name = hotplug_fd_name(p->o, what);
		char *longer = mem_format("%s%s%s", names, i ? ":" : "", name);

		free(names);
		names = longer;
		r = fd_give(p, what, p->queues[i]);
	}
	if (!r)
		*ret_names = mem_must(strdup(names));
	return r;
}

static int netdev_make(struct plug *p)
{
	_cleanup_free_ char *names = NULL;
	struct json_object *arguments;
	int r;

	if (!p->o->tap)
		return CLI_OK;
	r = queues_give(p, &names);
	if (r)
		return r;
	arguments = argument("type", "tap");
	mem_json_set_string(arguments, "id", p->o->netdev);
	mem_json_set_string(arguments, "fds", names);
	mem_json_set(arguments, "vhost", json_object_new_boolean(false));
	r = execute(p, "netdev_add", arguments, -1, NULL);
	p->netdev_made = r == CLI_OK;
	if (!r)
		cli_tell(p->o->verbose, "hotplug", "netdev %s: %u queues of %s", p->o->netdev,
			 p->o->queues, p->o->tap);
	return r;
}

static int device_make(struct plug *p)
{
	int r = execute(p, "device_add", hotplug_device(p->o, p->types), -1, NULL);

	p->device_tried = true;
	if (!r)
		cli_tell(p->o->verbose, "hotplug", "device %s, a %s", p->o->id, p->o->device);
	return r;
}

/* --- all of them, or none ------------------------------------------------------- */

/* Names that QEMU has used up are no longer there; that is no failure. */
static void given_take_back(struct plug *p)
{
	for (size_t i = 0; i < json_object_array_length(p->given); i++) {
		struct json_object *name = json_object_array_get_idx(p->given, i);

		monitor_execute(p->monitor, "closefd",
				argument("fdname", json_object_get_string(name)), -1, NULL);
	}
}

/*
 * QEMU 10.0 forgets a NIC that failed late in its netdev, which then neither
 * serves another device nor goes by netdev_del.  "info network" alone shows it.
 */
static bool nic_is_left(struct plug *p)
{
	_cleanup_free_ char *start = mem_format("%s: index=", p->o->id);
	_cleanup_json_ struct json_object *list = NULL;
	const char *line;

	if (monitor_execute(p->monitor, "human-monitor-command",
			    argument("command-line", "info network"), -1, &list))
		return false;
	line = json_object_get_string(list);
	while (line && strncmp(line, start, strlen(start)) != 0) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return line;
}

/* Adds what the user has to know besides. */
static void remark(struct plug *p, char *words)
{
	fail(p, mem_format("%s; %s", p->why, words));
	free(words);
}

static void netdev_take_back(struct plug *p)
{
	char reason[256];

	/* Should QEMU keep them open, they still take no packets from the tap. */
	for (unsigned int i = 0; i < p->o->queues; i++)
		if (p->queues[i] >= 0 && tap_queue_detach(p->queues[i], reason, sizeof(reason)))
			remark(p, mem_format("queue %u: %s", i + 1, reason));
	if (p->netdev_made &&
	    monitor_execute(p->monitor, "netdev_del", argument("id", p->o->netdev), -1, NULL))
		remark(p,
		       mem_format("netdev_del %s: \"%s\"", p->o->netdev, monitor_why(p->monitor)));
}

static void undo(struct plug *p)
{
	given_take_back(p);
	netdev_take_back(p);
	if (!p->device_tried || !nic_is_left(p))
		return;
	if (p->netdev_made)
		remark(p, mem_format("this QEMU keeps the netdev's queues, detached from the tap"));
	else
		remark(p, mem_format("netdev %s stays in use in this QEMU for good: take another",
				     p->o->netdev));
}

/* CLI_FAILED with p->why. */
static int reach(struct plug *p)
{
	_cleanup_free_ char *why = NULL;

	p->monitor = monitor_open(p->o->qmp, p->o->domain, &why);
	if (p->monitor)
		return CLI_OK;
	if (p->o->qmp && access(p->o->qmp, F_OK))
		p->why = mem_format("%s (QEMU makes it with -qmp unix:%s,server=on,wait=off)", why,
				    p->o->qmp);
	else
		p->why = mem_format("%s", why);
	return CLI_FAILED;
}

static int plug(struct plug *p)
{
	static int (*const steps[])(struct plug * p) = {
		id_check,    types_ask, object_ask,  set_acquire,
		queues_open, set_give,	netdev_make, device_make,
	};
	int r = CLI_OK;

	if (reach(p))
		return CLI_FAILED;
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
		.given = mem_must(json_object_new_array()),
	};
	int r;

	for (unsigned int i = 0; i < o->queues; i++)
		p.queues[i] = -1;
	r = plug(&p);
	monitor_close(p.monitor);
	rssb_fds_close(&p.set);
	for (unsigned int i = 0; i < o->queues; i++)
		fd_closep(&p.queues[i]);
	free(p.queues);
	json_object_put(p.types);
	qemu_object_done(&p.object);
	json_object_put(p.given);
	*ret_why = p.why;
	return r;
}
