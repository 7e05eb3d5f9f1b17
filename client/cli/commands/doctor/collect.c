/* SPDX-License-Identifier: MIT */
/* The facts of this host and of a tap.  It opens what it looks at, and changes nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "client/cli/commands/doctor/doctor.h"
#include "client/cli/util/file.h"
#include "proto/util/fd.h"
#include "proto/util/refuse_fds.h"

#define LIBVIRT_ABSTRACTION "/etc/apparmor.d/abstractions/libvirt-qemu"

/* The number that a file begins with, or -errno. */
static int file_number(const char *path)
{
	char text[32], *end;
	int r = file_read(path, text, sizeof(text), NULL);
	long value;

	if (r)
		return r;
	value = strtol(text, &end, 10);
	return end == text || value < 0 || value > 1000 ? -EINVAL : (int)value;
}

static int device_open(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : 0;
}

static bool knows_passrights(void)
{
	_cleanup_fd_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int value;
	socklen_t len = sizeof(value);

	return sock >= 0 && getsockopt(sock, SOL_SOCKET, SO_PASSRIGHTS, &value, &len) == 0;
}

/*
 * 1 if the file names rss-broker: a profile that includes our abstraction lets libvirt's VMs
 * reach the broker.
 */
static int mentions_us(const char *path)
{
	static char text[1 << 16];
	int r = file_read(path, text, sizeof(text), NULL);

	return r ? r : strstr(text, "rss-broker") != NULL;
}

static int apparmor_virt(void)
{
	int r = mentions_us(LIBVIRT_ABSTRACTION);

	if (r == 0 && mentions_us("/etc/apparmor.d/local/abstractions/libvirt-qemu") == 1)
		r = 1;
	return r;
}

void doctor_collect_host(struct doctor *d)
{
	struct doctor_host *h = &d->host;
	struct utsname names;
	char enabled[4] = "";

	if (uname(&names) == 0)
		snprintf(h->release, sizeof(h->release), "%s", names.release);
	h->passrights = knows_passrights();
	h->bpf = syscall(SYS_bpf, -1, NULL, 0) < 0 ? -errno : 0;
	h->unprivileged_bpf = file_number("/proc/sys/kernel/unprivileged_bpf_disabled");
	h->jit = file_number("/proc/sys/net/core/bpf_jit_enable");
	h->tun = device_open("/dev/net/tun");
	h->vhost = device_open("/dev/vhost-net");
	h->selinux = file_number("/sys/fs/selinux/enforce");
	h->selinux_virt = file_number("/sys/fs/selinux/booleans/virt_use_rss_broker");
	h->apparmor = file_read("/sys/module/apparmor/parameters/enabled", enabled, sizeof(enabled),
				NULL) == 0 &&
		      enabled[0] == 'Y';
	h->apparmor_virt = apparmor_virt();
}

void doctor_collect_tap(struct doctor *d)
{
	struct doctor_tap *t = &d->tap;

	t->error = rtnl_link_get(&t->link, d->ifname);
	t->in_group = t->error == 0 && t->link.group != LINK_NOBODY &&
		      (getegid() == t->link.group || group_member(t->link.group));
}
