/* SPDX-License-Identifier: MIT */
/* The checks of a QEMU, be it a binary or running: its release and its object.  Pure. */
#include <errno.h>
#include <string.h>

#include "client/cli/commands/doctor/doctor.h"
#include "client/cli/qemu/qemu_object.h"
#include "client/cli/qemu/quirks.h"
#include "client/cli/util/mem.h"

#define NOT_ASKED   "not asked about: "
#define HOST_STEERS "rssb run --host-steering \"equal N\" -- QEMU ARG..."
#define VHOST_OFF   "vhost=off at the netdev (rssb run --no-vhost), or " HOST_STEERS
#define NEWER_QEMU  "install QEMU 9.2 or newer (Debian 12 has one in bookworm-backports)"

static struct doctor_finding version_judge(const struct doctor_qemu *q)
{
	if (q->major < 9)
		return doctor_problem(
			mem_format(NEWER_QEMU "; until then " HOST_STEERS),
			"QEMU %d.%d cannot take a steering set: 9.0 is the first that can",
			q->major, q->minor);
	if (!q->takes_fds)
		return doctor_problem(
			mem_format(
				"install a QEMU that was built with eBPF; until then " HOST_STEERS),
			"QEMU %d.%d has no ebpf-rss-fds at its virtio-net devices", q->major,
			q->minor);
	if (qemu_falls_back(q->major, q->minor))
		return doctor_ok(
			"QEMU %d.%d takes steering sets; when it cannot use one it goes on and "
			"steers in its own code, without an error",
			q->major, q->minor);
	return doctor_ok("QEMU %d.%d takes steering sets", q->major, q->minor);
}

static bool broker_has(const struct doctor_broker *b, const uint8_t *id)
{
	for (uint32_t i = 0; i < b->n_objects; i++)
		if (memcmp(b->objects[i].id, id, sizeof(b->objects[i].id)) == 0)
			return true;
	return false;
}

static struct doctor_finding object_judge(const struct doctor_broker *b,
					  const struct doctor_qemu *q)
{
	const uint8_t *id = NULL;
	_cleanup_free_ char *text = NULL;
	int r = qemu_object_choose(&q->object, false, &id, &text);

	if (r == -ENOENT)
		return doctor_problem(mem_format(NEWER_QEMU ", built with eBPF"), "%s", text);
	if (r)
		return doctor_problem(mem_format("install the rss-broker that knows this QEMU"),
				      "%s", text);
	text = qemu_object_describe(&q->object, broker_has(b, q->object.id) ? q->object.id : NULL);
	return doctor_ok("rssb run gives it %s", text);
}

/* --- a binary ------------------------------------------------------------------- */

struct doctor_finding doctor_qemu_version(const struct doctor *d)
{
	const struct doctor_qemu *q = &d->qemu;

	if (!d->qemu_path)
		return doctor_skip(NOT_ASKED "--qemu PATH");
	if (q->error)
		return doctor_problem(mem_format("give the path of a qemu-system-ARCH that this "
						 "user can run"),
				      "%s", q->why);
	return version_judge(q);
}

struct doctor_finding doctor_qemu_vhost(const struct doctor *d)
{
	const struct doctor_qemu *q = &d->qemu;

	if (!d->qemu_path || q->error)
		return doctor_skip(NOT_ASKED "--qemu PATH");
	if (!qemu_drops_fds_with_vhost(q->major, q->minor))
		return doctor_ok("QEMU %d.%d uses its sets with vhost=on, too", q->major, q->minor);
	if (d->host.vhost)
		return doctor_ok("QEMU %d.%d uses no set with vhost=on (" QEMU_VHOST_SEEN
				 "), which this user cannot have",
				 q->major, q->minor);
	return doctor_problem(mem_format(VHOST_OFF),
			      "QEMU %d.%d uses no set with vhost=on (" QEMU_VHOST_SEEN
			      "), which this user can have",
			      q->major, q->minor);
}

struct doctor_finding doctor_qemu_object(const struct doctor *d)
{
	if (!d->qemu_path || d->qemu.error)
		return doctor_skip(NOT_ASKED "--qemu PATH");
	return object_judge(&d->broker, &d->qemu);
}

/* --- one that runs -------------------------------------------------------------- */

struct doctor_finding doctor_vm_version(const struct doctor *d)
{
	struct doctor_qemu q = d->vm.qemu;

	if (!d->qmp)
		return doctor_skip(NOT_ASKED "--qmp SOCK");
	if (q.error)
		return doctor_problem(mem_format("give the socket of a QEMU that runs, started "
						 "with -qmp unix:SOCK,server=on,wait=off; it "
						 "serves one client at a time"),
				      "%s", q.why);
	q.takes_fds |= !d->vm.n_devices; /* no device, none that lacks the property */
	return version_judge(&q);
}

struct doctor_finding doctor_vm_object(const struct doctor *d)
{
	if (!d->qmp)
		return doctor_skip(NOT_ASKED "--qmp SOCK");
	if (d->vm.qemu.error)
		return doctor_skip("QEMU's monitor did not tell");
	return object_judge(&d->broker, &d->vm.qemu);
}
