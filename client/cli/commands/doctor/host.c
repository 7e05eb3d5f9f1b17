/* SPDX-License-Identifier: MIT */
/* The checks of this host: kernel, sysctls, security modules, device nodes.  Pure. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/commands/doctor/doctor.h"
#include "client/cli/util/mem.h"

/* What the broker is written for, and the oldest that it was run on. */
enum { OLDEST_MAJOR = 5, OLDEST_MINOR = 15 };
#define OLDEST_RUN "6.1"

struct doctor_finding doctor_kernel(const struct doctor *d)
{
	const struct doctor_host *h = &d->host;
	int major = 0, minor = 0;

	if (sscanf(h->release, "%d.%d", &major, &minor) != 2 || major < OLDEST_MAJOR ||
	    (major == OLDEST_MAJOR && minor < OLDEST_MINOR))
		return doctor_problem(mem_format("boot Linux " OLDEST_RUN " or newer"),
				      "this is Linux %s, and rss-broker is written for %d.%d and "
				      "newer",
				      h->release, OLDEST_MAJOR, OLDEST_MINOR);
	if (h->bpf == -ENOSYS)
		return doctor_problem(mem_format("boot a kernel with CONFIG_BPF_SYSCALL=y"),
				      "Linux %s was built without bpf(2)", h->release);
	return doctor_ok(
		"Linux %s%s%s", h->release,
		major < 6 ? ", older than " OLDEST_RUN ", the oldest that rss-broker was run on"
			  : "",
		h->passrights ? ""
			      : ", without SO_PASSRIGHTS: the broker runs one more process, "
				"which closes fds that clients send");
}

struct doctor_finding doctor_unprivileged_bpf(const struct doctor *d)
{
	const int value = d->host.unprivileged_bpf;

	if (value < 0)
		return doctor_skip("kernel.unprivileged_bpf_disabled cannot be read: %s",
				   strerror(-value));
	if (value == 0)
		return doctor_problem(mem_format("sysctl -w kernel.unprivileged_bpf_disabled=2"),
				      "every user may load BPF programs, which the broker makes "
				      "unnecessary");
	return doctor_ok("kernel.unprivileged_bpf_disabled is %d: users cannot load programs",
			 value);
}

struct doctor_finding doctor_jit(const struct doctor *d)
{
	const int value = d->host.jit;

	if (value == -ENOENT)
		return doctor_skip("net.core.bpf_jit_enable does not exist: the kernel has no "
				   "JIT, or this is a network namespace of its own");
	if (value < 0)
		return doctor_skip("net.core.bpf_jit_enable cannot be read: %s", strerror(-value));
	if (value == 0)
		return doctor_problem(mem_format("sysctl -w net.core.bpf_jit_enable=1"),
				      "the JIT is off: steering is many times slower");
	return doctor_ok("net.core.bpf_jit_enable is %d", value);
}

struct doctor_finding doctor_selinux(const struct doctor *d)
{
	const struct doctor_host *h = &d->host;

	if (h->selinux < 0)
		return doctor_skip("this kernel has no SELinux");
	if (h->selinux == 0)
		return doctor_skip("SELinux is permissive");
	if (h->selinux_virt == -ENOENT)
		return doctor_problem(
			mem_format("in share/rss-broker/selinux: make -f "
				   "/usr/share/selinux/devel/Makefile rss_broker.pp && "
				   "semodule -i rss_broker.pp"),
			"SELinux is enforcing and does not know rss-broker");
	if (h->selinux_virt == 0)
		return doctor_problem(mem_format("setsebool -P virt_use_rss_broker on"),
				      "SELinux lets no VM of libvirt ask the broker");
	if (h->selinux_virt < 0)
		return doctor_skip("SELinux does not tell of virt_use_rss_broker: %s",
				   strerror(-h->selinux_virt));
	return doctor_ok("SELinux is enforcing, and virt_use_rss_broker is on");
}

struct doctor_finding doctor_apparmor(const struct doctor *d)
{
	const struct doctor_host *h = &d->host;

	if (!h->apparmor)
		return doctor_skip("this kernel has no AppArmor");
	if (h->apparmor_virt < 0)
		return doctor_skip("AppArmor is enabled, and libvirt's profiles are not installed");
	if (h->apparmor_virt == 0)
		return doctor_problem(
			mem_format("echo 'include <abstractions/rss-broker-emulator>' "
				   ">>/etc/apparmor.d/local/abstractions/libvirt-qemu"),
			"AppArmor lets no VM of libvirt ask the broker");
	return doctor_ok("AppArmor is enabled, and lets libvirt's VMs ask the broker");
}

struct doctor_finding doctor_tun(const struct doctor *d)
{
	switch (d->host.tun) {
	case 0:
		return doctor_ok("/dev/net/tun can be opened");
	case -ENOENT:
	case -ENODEV:
	case -ENXIO:
		return doctor_problem(mem_format("modprobe tun"), "/dev/net/tun: %s",
				      strerror(-d->host.tun));
	case -EACCES:
		return doctor_problem(mem_format("chmod 0666 /dev/net/tun"),
				      "/dev/net/tun is not for this user: it can use a tap only "
				      "through fds that another user opened");
	default:
		return doctor_problem(mem_format("allow the device 10:200 to this process's cgroup "
						 "or sandbox"),
				      "/dev/net/tun: %s", strerror(-d->host.tun));
	}
}

struct doctor_finding doctor_vhost(const struct doctor *d)
{
	_cleanup_free_ char *user = NULL;

	switch (d->host.vhost) {
	case 0:
		return doctor_ok("/dev/vhost-net can be opened");
	case -ENOENT:
		return doctor_skip("no /dev/vhost-net: every VM runs with vhost=off");
	case -EACCES:
	case -EPERM:
		user = doctor_user(d->uid);
		return doctor_problem(
			mem_format("usermod -aG kvm %s, or vhost=off at the netdev", user),
			"/dev/vhost-net is not for this user: its QEMU can use vhost=on only "
			"through an fd that another user opened");
	default:
		return doctor_problem(mem_format("modprobe vhost_net"), "/dev/vhost-net: %s",
				      strerror(-d->host.vhost));
	}
}
