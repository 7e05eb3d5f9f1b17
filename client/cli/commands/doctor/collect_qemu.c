/* SPDX-License-Identifier: MIT */
/* The facts of a QEMU binary, which is started and asked, and of one that runs. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "client/cli/commands/doctor/doctor.h"
#include "client/cli/qemu/monitor.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/qemu/probe.h"
#include "client/cli/util/mem.h"

#define DRIVER "virtio-net-device" /* what every virtio-net has in it, on whatever bus */

/* --- a binary ------------------------------------------------------------------- */

static bool probe_takes_fds(const struct qemu_probe *probe)
{
	struct json_object *types;

	return json_object_object_get_ex(probe->types, DRIVER, &types) &&
	       json_object_object_get_ex(types, "ebpf-rss-fds", NULL);
}

void doctor_look_qemu(struct doctor *d)
{
	struct doctor_qemu *q = &d->qemu;
	struct qemu_probe probe = QEMU_PROBE_INIT;
	_cleanup_json_ struct json_object *drivers = mem_must(json_object_new_array());

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	json_object_array_add(drivers, mem_must(json_object_new_string(DRIVER)));
	q->error = qemu_probe(&probe, d->qemu_path, drivers, &q->why);
	if (q->error)
		return;
	q->major = probe.major;
	q->minor = probe.minor;
	q->takes_fds = probe_takes_fds(&probe);
	q->object = probe.object;
	probe.object = (struct qemu_object)QEMU_OBJECT_INIT;
	qemu_probe_done(&probe);
}

/* --- one that runs -------------------------------------------------------------- */

/* value.a.b, NULL if there is none; borrowed. */
static struct json_object *member(struct json_object *value, const char *a, const char *b)
{
	struct json_object *found = NULL;

	if (!json_object_object_get_ex(value, a, &found))
		return NULL;
	return b ? member(found, b, NULL) : found;
}

/* Whether an array of strings such as "NAME: what it is" has this name. */
static bool has_name(struct json_object *list, const char *name)
{
	const size_t len = strlen(name);

	if (!json_object_is_type(list, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(list, i));

		if (text && strncmp(text, name, len) == 0 && text[len] == ':')
			return true;
	}
	return false;
}

/* Executes a command with one or two arguments; the caller's reference, NULL: refused. */
static struct json_object *ask(struct monitor *m, const char *command, const char *key,
			       const char *value, const char *key2, const char *value2)
{
	struct json_object *arguments = mem_must(json_object_new_object());
	struct json_object *ret = NULL;

	if (key)
		mem_json_set_string(arguments, key, value);
	if (key2)
		mem_json_set_string(arguments, key2, value2);
	return monitor_execute(m, command, arguments, -1, &ret) ? NULL : ret;
}

/* The last but one part of "/machine/peripheral/net0/virtio-backend"; to be freed. */
static char *name_of_path(const char *path)
{
	const char *end = strrchr(path, '/'), *begin = end;

	while (begin && begin > path && begin[-1] != '/')
		begin--;
	return begin && end > begin ? mem_must(strndup(begin, (size_t)(end - begin)))
				    : mem_must(strdup(path));
}

static void device_look(struct monitor *m, const char *path, struct doctor_device *ret)
{
	_cleanup_json_ struct json_object *status =
		ask(m, "x-query-virtio-status", "path", path, NULL, NULL);
	_cleanup_json_ struct json_object *rss = ask(m, "qom-get", "path", path, "property", "rss");
	_cleanup_json_ struct json_object *fds =
		ask(m, "qom-get", "path", path, "property", "ebpf-rss-fds");
	_cleanup_json_ struct json_object *mq = ask(m, "qom-get", "path", path, "property", "mq");

	ret->name = name_of_path(path);
	ret->rss = json_object_get_boolean(rss);
	ret->mq = json_object_get_boolean(mq);
	ret->fds = json_object_is_type(fds, json_type_array) ? json_object_array_length(fds) : 0;
	ret->driver_ok =
		has_name(member(status, "status", "statuses"), "VIRTIO_CONFIG_S_DRIVER_OK");
	ret->guest_rss =
		has_name(member(status, "guest-features", "dev-features"), "VIRTIO_NET_F_RSS");
	ret->vhost = json_object_get_boolean(member(status, "vhost-started", NULL));
}

static void devices_look(struct monitor *m, struct doctor_vm *vm)
{
	_cleanup_json_ struct json_object *list = ask(m, "x-query-virtio", NULL, NULL, NULL, NULL);
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	vm->devices = mem_new(n + 1, sizeof(*vm->devices));
	for (size_t i = 0; i < n; i++) {
		struct json_object *row = json_object_array_get_idx(list, i);
		const char *name = qemu_opts_get(row, "name"), *path = qemu_opts_get(row, "path");

		if (name && path && strcmp(name, "virtio-net") == 0)
			device_look(m, path, &vm->devices[vm->n_devices++]);
	}
}

static bool vm_takes_fds(struct monitor *m)
{
	_cleanup_json_ struct json_object *list =
		ask(m, "device-list-properties", "typename", DRIVER, NULL, NULL);
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		const char *name = qemu_opts_get(json_object_array_get_idx(list, i), "name");

		if (name && strcmp(name, "ebpf-rss-fds") == 0)
			return true;
	}
	return false;
}

static void object_look(struct monitor *m, struct doctor_qemu *q)
{
	_cleanup_json_ struct json_object *value = ask(m, "request-ebpf", "id", "rss", NULL, NULL);

	if (value)
		qemu_object_decode(&q->object, qemu_opts_get(value, "object"));
	else
		q->object.why = mem_format("request-ebpf: %s", monitor_why(m));
}

static void version_look(struct monitor *m, struct doctor_qemu *q)
{
	_cleanup_json_ struct json_object *value = ask(m, "query-version", NULL, NULL, NULL, NULL);
	struct json_object *qemu = member(value, "qemu", NULL);

	q->major = json_object_get_int(member(qemu, "major", NULL));
	q->minor = json_object_get_int(member(qemu, "minor", NULL));
}

void doctor_look_vm(struct doctor *d)
{
	struct doctor_qemu *q = &d->vm.qemu;
	struct monitor *m = monitor_open(d->qmp, NULL, &q->why);

	if (!m) {
		q->error = -1;
		return;
	}
	version_look(m, q);
	q->takes_fds = vm_takes_fds(m);
	object_look(m, q);
	devices_look(m, &d->vm);
	monitor_close(m);
}
