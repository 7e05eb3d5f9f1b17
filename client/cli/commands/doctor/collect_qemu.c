/* SPDX-License-Identifier: MIT */
/*
 * The facts of a QEMU binary, which is started without a machine, asked, and ended; and those of a
 * running QEMU, from its QMP monitor.  Somebody's VM runs in that process: nothing is asked but
 * what `allowed` lists.  x-query-virtio-status, which tells what the guest's driver took, is not in
 * it: it aborts QEMU 11.1.3.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "client/cli/commands/doctor/doctor.h"
#include "client/cli/qemu/monitor.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/qemu/probe.h"
#include "client/cli/util/file.h"
#include "client/cli/util/mem.h"
#include "proto/util/deadline.h"

#define DRIVER	   "virtio-net-device" /* what every virtio-net has in it, on whatever bus */
#define TALK_MAX_S 60		       /* an honest QEMU takes milliseconds for a question */

static bool probe_takes_fds(const struct qemu_probe *probe)
{
	struct json_object *types;

	return json_object_object_get_ex(probe->types, DRIVER, &types) &&
	       json_object_object_get_ex(types, "ebpf-rss-fds", NULL);
}

void doctor_collect_qemu(struct doctor *d)
{
	struct doctor_qemu *q = &d->qemu;
	struct qemu_probe probe = { 0 };
	_cleanup_json_ struct json_object *drivers = mem_must(json_object_new_array());

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	mem_json_add(drivers, json_object_new_string(DRIVER));
	q->error = qemu_probe(&probe, d->qemu_path, drivers, &q->why);
	if (q->error)
		return;
	q->major = probe.major;
	q->minor = probe.minor;
	q->takes_fds = probe_takes_fds(&probe);
	q->object = probe.object;
	probe.object = (struct qemu_object){ 0 };
	qemu_probe_done(&probe);
}

/* --- a running QEMU ---------------------------------------------------------------- */

enum question { ASK_VERSION, ASK_LIST, ASK_GET, ASK_OBJECT };

/*
 * The commands that are sent, each with the reason why it is harmless.  The monitor sends
 * qmp_capabilities besides.
 */
static const char *const allowed[] = {
	[ASK_VERSION] = "query-version", /* returns constants of the build */
	[ASK_LIST] = "qom-list",	 /* returns names and types of properties; reads no value */
	[ASK_GET] = "qom-get",		 /* only of `readable`: copies a field of the device */
	[ASK_OBJECT] = "request-ebpf",	 /* returns a constant of the build */
};

/*
 * The properties that qom-get reads.  They were set when the device was made: for each, QEMU
 * copies a variable and runs no code of the device.
 */
static const char *const readable[] = { "rss", "mq", "ebpf-rss-fds" };

enum { RSS, MQ, FDS, N_READABLE };

/* Where QEMU keeps devices with an id, those without, and those of -nic and -net. */
static const char *const containers[] = {
	"/machine/peripheral",
	"/machine/peripheral-anon",
	"/machine/unattached",
};

/* The conversation with the monitor.  After a failure nothing more is asked. */
struct talk {
	struct monitor *monitor;
	struct doctor_vm *vm;
	const char *path; /* of the socket */
	int64_t deadline; /* of all questions: it may list devices without end */
};

static int late(struct talk *t)
{
	struct doctor_qemu *q = &t->vm->qemu;

	q->error = -ETIMEDOUT;
	q->why = mem_format("QEMU's monitor %s has more to tell after %d s; nothing after that is "
			    "judged",
			    t->path, TALK_MAX_S);
	return q->error;
}

/* Takes args.  The caller's reference; NULL: refused, or the conversation has failed. */
static struct json_object *ask(struct talk *t, enum question question, struct json_object *args)
{
	struct doctor_qemu *q = &t->vm->qemu;
	struct json_object *ret = NULL;
	int r;

	if (q->error || (!deadline_left_ms(t->deadline) && late(t))) {
		json_object_put(args);
		return NULL;
	}
	r = monitor_execute(t->monitor, allowed[question], args, -1, &ret);
	if (r && r != -EREMOTEIO) {
		q->error = r;
		q->why = mem_format("QEMU's monitor %s failed at %s: %s; nothing after that is "
				    "judged",
				    t->path, allowed[question], monitor_why(t->monitor));
	}
	return r ? NULL : ret;
}

/* --- devices ---------------------------------------------------------------------- */

static struct json_object *property_ask(struct talk *t, const char *path, const char *name)
{
	struct json_object *args = mem_json_pair("path", path);

	mem_json_set_string(args, "property", name);
	return ask(t, ASK_GET, args);
}

static void device_collect(struct talk *t, const char *container, const char *name)
{
	_cleanup_free_ char *path = mem_format("%s/%s", container, name);
	_cleanup_json_ struct json_object *list = ask(t, ASK_LIST, mem_json_pair("path", path));
	struct doctor_vm *vm = t->vm;
	struct json_object *values[N_READABLE] = { NULL };
	struct doctor_device *device;

	for (size_t i = 0; i < N_READABLE; i++)
		if (qemu_list_has(list, readable[i]))
			values[i] = property_ask(t, path, readable[i]);
	vm->devices = mem_must(reallocarray(vm->devices, vm->n_devices + 1, sizeof(*vm->devices)));
	device = &vm->devices[vm->n_devices++];
	*device = (struct doctor_device){
		.name = mem_must(strdup(name)),
		.rss = json_object_get_boolean(values[RSS]),
		.mq = json_object_get_boolean(values[MQ]),
		.fds = mem_json_length(values[FDS]),
	};
	vm->qemu.takes_fds |= qemu_list_has(list, readable[FDS]);
	for (size_t i = 0; i < N_READABLE; i++)
		json_object_put(values[i]);
}

static void container_collect(struct talk *t, const char *container)
{
	static const char kind[] = "child<virtio-net-"; /* ...pci>, ...ccw>, ...device>, ... */
	_cleanup_json_ struct json_object *list =
		ask(t, ASK_LIST, mem_json_pair("path", container));
	const size_t n = mem_json_length(list);

	for (size_t i = 0; i < n && !t->vm->qemu.error; i++) {
		struct json_object *row = json_object_array_get_idx(list, i);
		const char *name = qemu_opts_get(row, "name"), *type = qemu_opts_get(row, "type");

		if (name && type && strncmp(type, kind, sizeof(kind) - 1) == 0)
			device_collect(t, container, name);
	}
}

/* --- the program -------------------------------------------------------------------- */

static void version_collect(struct talk *t)
{
	_cleanup_json_ struct json_object *value = ask(t, ASK_VERSION, NULL);

	qemu_version_read(value, &t->vm->qemu.major, &t->vm->qemu.minor);
}

static void object_collect(struct talk *t)
{
	struct doctor_qemu *q = &t->vm->qemu;
	_cleanup_json_ struct json_object *value = ask(t, ASK_OBJECT, mem_json_pair("id", "rss"));

	if (value)
		qemu_object_decode(&q->object, qemu_opts_get(value, "object"));
	else if (!q->error)
		q->object.why = mem_format("request-ebpf: %s", monitor_why(t->monitor));
}

/* Whether rssb run --on-demand started it: its environment says so, to those who may read it. */
static int on_demand_read(pid_t pid)
{
	static char text[1 << 20];
	_cleanup_free_ char *path = mem_format("/proc/%d/environ", pid);
	size_t len;
	int r = pid > 0 ? file_read(path, text, sizeof(text), &len) : -ESRCH;

	return r ? r : memmem(text, len, "librssb-qemu.so", 15) != NULL;
}

void doctor_collect_vm(struct doctor *d)
{
	struct talk t = {
		.vm = &d->vm,
		.path = d->qmp,
		.deadline = deadline_in(TALK_MAX_S * 1000),
	};
	struct doctor_qemu *q = &d->vm.qemu;

	t.monitor = monitor_open(d->qmp, NULL, &q->why);
	if (!t.monitor) {
		q->error = -ENOTCONN;
		return;
	}
	d->vm.on_demand = on_demand_read(monitor_pid(t.monitor));
	version_collect(&t);
	object_collect(&t);
	for (size_t i = 0; i < sizeof(containers) / sizeof(containers[0]); i++)
		container_collect(&t, containers[i]);
	monitor_close(t.monitor);
}
