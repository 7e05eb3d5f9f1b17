/* SPDX-License-Identifier: MIT */
/* The checks of a VM's virtio-net devices: the first that has the trouble is named.  Pure. */
#include <stdio.h>
#include <string.h>

#include "client/cli/commands/doctor/doctor.h"
#include "client/cli/qemu/quirks.h"
#include "client/cli/util/mem.h"

typedef bool device_test(const struct doctor_device *device);

/* The first device for which is() is true, and how many there are. */
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

static bool has_fds(const struct doctor_device *device)
{
	return device->rss && device->fds;
}

static bool unknown(const struct doctor *d)
{
	return !d->qmp || d->vm.qemu.error;
}

#define NOT_ASKED "not asked about: --qmp SOCK"

/* Why a check of the VM has nothing to judge. */
static struct doctor_finding skip(const struct doctor *d)
{
	return d->qmp ? doctor_skip("QEMU's monitor did not tell") : doctor_skip(NOT_ASKED);
}

struct doctor_finding doctor_vm_rss(const struct doctor *d)
{
	const struct doctor_device *device;
	size_t n;

	if (unknown(d))
		return skip(d);
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
		return skip(d);
	if (!find(d, has_rss, &n))
		return doctor_skip("no device has rss on");
	device = find(d, lacks_fds, &n);
	if (!device)
		return doctor_ok("each device with rss on was given a steering set");
	if (d->vm.on_demand > 0)
		return doctor_ok("rssb run --on-demand started this QEMU: its own request for a "
				 "program is answered, for %s and for each NIC that is plugged in",
				 device->name);
	if (d->vm.on_demand < 0)
		return doctor_unknown("%s has no ebpf-rss-fds, and whether rssb run --on-demand "
				      "started this QEMU is in its environment, which this user "
				      "may not read (%s)",
				      device->name, strerror(-d->vm.on_demand));
	return doctor_problem(mem_format("start the VM by rssb run --on-demand -- QEMU ARG..., or "
					 "plug a NIC by rssb hotplug"),
			      "%s has rss on and was given no steering set: unless this QEMU may "
			      "load BPF programs itself, its own code steers, slowly; with "
			      "vhost=on nothing does",
			      device->name);
}

struct doctor_finding doctor_vm_vhost(const struct doctor *d)
{
	const struct doctor_qemu *q = &d->vm.qemu;
	const struct doctor_device *device;
	size_t n;

	if (unknown(d))
		return skip(d);
	device = find(d, has_fds, &n);
	if (!device)
		return doctor_skip("no device with rss on was given a steering set");
	if (!qemu_drops_fds_with_vhost(q->major, q->minor))
		return doctor_ok("QEMU %d.%d uses its sets with vhost=on, too", q->major, q->minor);
	return doctor_unknown("QEMU %d.%d uses the set of %s only if its netdev has vhost=off "
			      "(" QEMU_VHOST_SEEN
			      "), and has no harmless command that tells whether "
			      "it has",
			      q->major, q->minor, device->name);
}

struct doctor_finding doctor_vm_guest(const struct doctor *d)
{
	size_t n;

	if (unknown(d))
		return skip(d);
	if (!find(d, has_rss, &n))
		return doctor_skip("no device has rss on");
	/* x-query-virtio-status tells it, and kills QEMU 11.1.3. */
	return doctor_unknown("whether the guest's driver took RSS: in the guest, ethtool -x "
			      "IFNAME shows a key if so");
}
