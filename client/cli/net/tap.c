/* SPDX-License-Identifier: MIT */
/*
 * The tun driver's ioctls.  It must never make a tap, change one's flags, or
 * leave a queue attached that nobody reads, unless its caller asks for one to read.
 */
#include "client/cli/net/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/cli/net/rtnl_link.h"
#include "proto/util/fd.h"

/* "mallory (1001)", or the bare number. */
static const char *user_name(uint32_t uid, char *buf, size_t len)
{
	const struct passwd *user = getpwuid(uid);

	if (user)
		snprintf(buf, len, "%s (%u)", user->pw_name, uid);
	else
		snprintf(buf, len, "uid %u", uid);
	return buf;
}

static int check_link(const char *ifname, const struct rtnl_link *link, char why[WHY_MAX])
{
	if (!strcmp(link->kind, "macvtap") || !strcmp(link->kind, "ipvtap"))
		return why_set(why, -EOPNOTSUPP,
			       "%s: is a %s: the kernel lets no program steer one", ifname,
			       link->kind);
	if (strcmp(link->kind, "tun") != 0)
		return why_set(why, -EOPNOTSUPP, "%s: is not a tap%s%s", ifname,
			       *link->kind ? " but of kind " : "", link->kind);
	if (!link->is_tap)
		return why_set(why, -EOPNOTSUPP, "%s: is a tun: it has no Ethernet frames to steer",
			       ifname);
	if (!link->multi_queue)
		return why_set(
			why, -EOPNOTSUPP,
			"%s: has one queue: it was made without multi_queue (ip tuntap add ... "
			"multi_queue)",
			ifname);
	return 0;
}

/* The kernel says EPERM for an owner, a group, and an LSM alike. */
static int refused_queue(const char *ifname, int error, const struct rtnl_link *link,
			 char why[WHY_MAX])
{
	char owner[64], self[64];

	if (error == -EPERM && link->owner != LINK_NOBODY && link->owner != geteuid())
		return why_set(
			why, error,
			"%s: belongs to %s, not to %s (ip tuntap add ... user USER says whose)",
			ifname, user_name(link->owner, owner, sizeof(owner)),
			user_name(geteuid(), self, sizeof(self)));
	if (error == -EPERM && link->group != LINK_NOBODY)
		return why_set(why, error, "%s: is for the group %u", ifname, link->group);
	if (error == -E2BIG)
		return why_set(why, error, "%s: has as many queues as it can have", ifname);
	return why_set(why, error, "%s: cannot open a queue: %m", ifname);
}

/* TUNSETIFF writes its flags into the device, so they have to be those that it has. */
static int attach_queue(int fd, const char *ifname, const struct rtnl_link *link, char why[WHY_MAX])
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_MULTI_QUEUE };

	strcpy(request.ifr_name, ifname);
	if (!link->packet_info)
		request.ifr_flags |= IFF_NO_PI;
	if (link->vnet_hdr)
		request.ifr_flags |= IFF_VNET_HDR;
	return ioctl(fd, TUNSETIFF, &request) ? refused_queue(ifname, -errno, link, why) : 0;
}

static int detach_queue(int fd, const char *what, char why[WHY_MAX])
{
	struct ifreq request = { .ifr_flags = IFF_DETACH_QUEUE };

	if (ioctl(fd, TUNSETQUEUE, &request))
		return why_set(why, -errno, "%s: cannot detach the queue: %m", what);
	return 0;
}

int tap_queue_open(int *ret_fd, const char *ifname, char why[WHY_MAX])
{
	_cleanup_fd_ int fd = -1;
	struct rtnl_link link;
	int r = rtnl_link_get(&link, ifname);

	if (r == -ENODEV)
		return why_set(why, r, "%s: there is no such interface", ifname);
	if (r == -ENAMETOOLONG)
		return why_set(why, r,
			       "%s: a name of %zu characters; an interface's has at most %d",
			       ifname, strlen(ifname), IFNAMSIZ - 1);
	if (r)
		return why_set(why, r, "%s: cannot ask what it is: %m", ifname);
	r = check_link(ifname, &link, why);
	if (r)
		return r;

	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return why_set(why, -errno, "%s: cannot open /dev/net/tun: %m (%s)", ifname,
			       errno == ENOENT
				       ? "modprobe tun; a container needs the device"
				       : "its mode is normally 0666; rssb doctor says more");
	r = attach_queue(fd, ifname, &link, why);
	if (!r)
		*ret_fd = fd_take(&fd);
	return r;
}

int tap_open(int *ret_fd, const char *ifname, char why[WHY_MAX])
{
	_cleanup_fd_ int fd = -1;
	int r = tap_queue_open(&fd, ifname, why);

	if (!r)
		r = detach_queue(fd, ifname, why);
	if (!r)
		*ret_fd = fd_take(&fd);
	return r;
}

int tap_queue_detach(int fd, char why[WHY_MAX])
{
	return detach_queue(fd, "detach", why);
}

int tap_check(int fd, char why[WHY_MAX])
{
	struct ifreq request = { 0 };

	if (ioctl(fd, TUNGETIFF, &request)) {
		if (errno == EBADF)
			return why_set(why, -EBADF, "fd %d: is not open", fd);
		if (errno == EBADFD)
			return why_set(why, -EBADFD, "fd %d: is not attached to a tap yet", fd);
		return why_set(why, -errno, "fd %d: is not of a tap", fd);
	}
	if (!(request.ifr_flags & IFF_TAP))
		return why_set(why, -EOPNOTSUPP, "fd %d: is of a tun: it has no Ethernet frames",
			       fd);
	if (!(request.ifr_flags & IFF_MULTI_QUEUE))
		return why_set(why, -EOPNOTSUPP, "fd %d: is of a tap with one queue only", fd);
	return 0;
}

int tap_name(int fd, char ret_name[IFNAMSIZ])
{
	struct ifreq request = { 0 };

	if (ioctl(fd, TUNGETIFF, &request))
		return -errno;
	memcpy(ret_name, request.ifr_name, IFNAMSIZ);
	return 0;
}

unsigned tap_live_queues(int fd)
{
	char name[IFNAMSIZ];
	struct rtnl_link link;

	return tap_name(fd, name) || rtnl_link_get(&link, name) ? 0 : link.queues;
}

int tap_steer(int fd, int prog, char why[WHY_MAX])
{
	char name[IFNAMSIZ] = "the tap";
	int r;

	if (ioctl(fd, TUNSETSTEERINGEBPF, &prog) == 0)
		return 0;
	r = -errno;
	tap_name(fd, name);
	/* macvtap answers TUNGETIFF like a tap, but not this. */
	if (r == -EINVAL)
		return why_set(why, r, "%s: the kernel lets no program steer it (is it a macvtap?)",
			       name);
	return why_set(why, r, "%s: the kernel refuses to %s: %m", name,
		       prog < 0 ? "take the program off" : "put the program on it");
}
