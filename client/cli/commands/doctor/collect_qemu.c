/* SPDX-License-Identifier: MIT */
/* The facts of a QEMU binary, which is started without a machine, asked, and ended. */
#include <json-c/json.h>
#include <sys/prctl.h>

#include "client/cli/commands/doctor/doctor.h"
#include "client/cli/qemu/probe.h"
#include "client/cli/util/mem.h"

#define DRIVER "virtio-net-device" /* what every virtio-net has in it, on whatever bus */

static bool probe_takes_fds(const struct qemu_probe *probe)
{
	struct json_object *types;

	return json_object_object_get_ex(probe->types, DRIVER, &types) &&
	       json_object_object_get_ex(types, "ebpf-rss-fds", NULL);
}

void doctor_look_qemu(struct doctor *d)
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
