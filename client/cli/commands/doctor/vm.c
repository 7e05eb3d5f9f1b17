/* SPDX-License-Identifier: MIT */
/* The checks of a VM's virtio-net devices: the first that has the trouble is named.  Pure. */
#include <stdio.h>

#include "client/cli/commands/doctor/doctor.h"
#include "client/cli/qemu/quirks.h"
#include "client/cli/util/mem.h"

typedef bool device_test(const struct doctor_device *device);

/* The first device that is so, and how many are. */
static const struct doctor_device *find(const struct doctor *d, device_test *is, size_t *ret_n)
{
	const struct doctor_device *first = NULL;

	*ret_n = 0;
	for (size_t i = 0; i < d->vm.n_devices; i++) {
		if (!is(&d->vm.devices[i]))
			continue;
		if (!first)
			first = &d->vm.devices[i];
		++*ret_n;
	}
	return first;
}

static bool has_rss(const struct doctor_device *device)
{
	return device->rss;
}

static bool lacks_mq(const struct doctor_device *device)
{
	return device->rss && !device->mq;
}

static bool lacks_fds(const struct doctor_device *device)
{
	return device->rss && device->fds == 0;
}

static bool is_on_vhost(const struct doctor_device *device)
{
	return device->rss && device->fds && device->vhost;
}

static bool is_driven(const struct doctor_device *device)
{
	return device->rss && device->driver_ok;
}

static bool is_declined(const struct doctor_device *device)
{
	return is_driven(device) && !device->guest_rss;
}

static bool unknown(const struct doctor *d)
{
	return !d->qmp || d->vm.qemu.error;
}

#define NOT_ASKED "not asked about: --qmp SOCK"

struct doctor_finding doctor_vm_rss(const struct doctor *d)
{
	const struct doctor_device *device;
	size_t n;

	if (unknown(d))
		return doctor_skip(NOT_ASKED);
	if (!d->vm.n_devices)
		return doctor_problem(mem_format("-device virtio-net-pci,netdev=ID,mq=on,rss=on"),
				      "the VM has no virtio-net device");
	if (!find(d, has_rss, &n))
		return doctor_problem(mem_format("mq=on,rss=on at the device (libvirt: <driver "
						 "queues='N' rss='on'/>), and start the VM anew"),
				      "rss is off at each of the VM's %zu virtio-net devices",
				      d->vm.n_devices);
	device = find(d, lacks_mq, &n);
	if (device)
		return doctor_problem(mem_format("mq=on at the device and queues=N at its netdev, "
						 "and start the VM anew"),
				      "%s has rss on and mq off: it has one queue", device->name);
	find(d, has_rss, &n);
	return doctor_ok("rss is on at %zu of %zu virtio-net devices", n, d->vm.n_devices);
}

struct doctor_finding doctor_vm_fds(const struct doctor *d)
{
	const struct doctor_device *device;
	size_t n;

	if (unknown(d))
		return doctor_skip(NOT_ASKED);
	if (!find(d, has_rss, &n))
		return doctor_skip("no device has rss on");
	device = find(d, lacks_fds, &n);
	if (device)
		return doctor_problem(mem_format("start the VM by rssb run -- QEMU ARG..., or plug "
						 "a NIC by rssb hotplug"),
				      "%s was given no steering set: unless QEMU has the privilege "
				      "to load a program, %s",
				      device->name,
				      device->vhost ? "nothing steers, because vhost cannot"
						    : "its own code steers, slowly");
	return doctor_ok("each device with rss on was given a steering set");
}

struct doctor_finding doctor_vm_vhost(const struct doctor *d)
{
	const struct doctor_qemu *q = &d->vm.qemu;
	const struct doctor_device *device;
	size_t n;

	if (unknown(d))
		return doctor_skip(NOT_ASKED);
	device = find(d, is_on_vhost, &n);
	if (device && qemu_drops_fds_with_vhost(q->major, q->minor))
		return doctor_problem(mem_format("vhost=off at its netdev, or rssb run "
						 "--host-steering \"equal N\" -- QEMU ARG..."),
				      "%s runs on vhost, and there QEMU %d.%d does not use its set",
				      device->name, q->major, q->minor);
	return device ? doctor_ok("QEMU %d.%d uses its sets with vhost, too", q->major, q->minor)
		      : doctor_ok("no device with a set runs on vhost");
}

struct doctor_finding doctor_vm_guest(const struct doctor *d)
{
	const struct doctor_device *device;
	size_t n;

	if (unknown(d))
		return doctor_skip(NOT_ASKED);
	device = find(d, is_declined, &n);
	if (device)
		return doctor_problem(mem_format("in the guest a driver that knows RSS (Linux "
						 "5.18 or newer); until then rssb run "
						 "--host-steering \"equal N\" -- QEMU ARG..."),
				      "%s: the guest's driver did not take RSS", device->name);
	if (!find(d, is_driven, &n))
		return doctor_skip("no driver in the guest runs a device with rss on yet");
	return doctor_ok("the guest's driver took RSS at %zu device%s", n, n == 1 ? "" : "s");
}
