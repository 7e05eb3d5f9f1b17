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
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/cli/net/rtnl_link.h"
#include "proto/util/fd.h"

/* Where the reason for a failure goes. */
struct why {
	char *text;
	size_t len;
	const char *what; /* the tap, as the user named it */
};

static int fail(const struct why *why, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* %m is error's text.  Returns error. */
static int fail(const struct why *why, int error, const char *format, ...)
{
	char text[200];
	va_list args;

	errno = -error;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(why->text, why->len, "%s: %s", why->what, text);
	return error;
}

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

static int check_link(const struct why *why, const struct rtnl_link *link)
{
	if (!strcmp(link->kind, "macvtap") || !strcmp(link->kind, "ipvtap"))
		return fail(why, -EOPNOTSUPP, "is a %s: the kernel lets no program steer one",
			    link->kind);
	if (strcmp(link->kind, "tun") != 0)
		return fail(why, -EOPNOTSUPP, "is not a tap%s%s",
			    *link->kind ? " but of kind " : "", link->kind);
	if (!link->is_tap)
		return fail(why, -EOPNOTSUPP, "is a tun: it has no Ethernet frames to steer");
	if (!link->multi_queue)
		return fail(why, -EOPNOTSUPP,
			    "has one queue: it was made without multi_queue (ip tuntap add ... "
			    "multi_queue)");
	return 0;
}

/* The kernel says EPERM for an owner, a group, and an LSM alike. */
static int refused_queue(const struct why *why, int error, const struct rtnl_link *link)
{
	char owner[64], self[64];

	if (error == -EPERM && link->owner != LINK_NOBODY && link->owner != geteuid())
		return fail(why, error,
			    "belongs to %s, not to %s (ip tuntap add ... user USER says whose)",
			    user_name(link->owner, owner, sizeof(owner)),
			    user_name(geteuid(), self, sizeof(self)));
	if (error == -EPERM && link->group != LINK_NOBODY)
		return fail(why, error, "is for the group %u", link->group);
	if (error == -E2BIG)
		return fail(why, error, "has as many queues as it can have");
	return fail(why, error, "cannot open a queue: %m");
}

/* TUNSETIFF writes its flags into the device, so they have to be those that it has. */
static int attach_queue(const struct why *why, int fd, const char *ifname,
			const struct rtnl_link *link)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_MULTI_QUEUE };

	strcpy(request.ifr_name, ifname);
	if (!link->packet_info)
		request.ifr_flags |= IFF_NO_PI;
	if (link->vnet_hdr)
		request.ifr_flags |= IFF_VNET_HDR;
	return ioctl(fd, TUNSETIFF, &request) ? refused_queue(why, -errno, link) : 0;
}

static int detach_queue(const struct why *why, int fd)
{
	struct ifreq request = { .ifr_flags = IFF_DETACH_QUEUE };

	if (ioctl(fd, TUNSETQUEUE, &request))
		return fail(why, -errno, "cannot detach the queue: %m");
	return 0;
}

static int open_queue(const struct why *why, int *ret_fd)
{
	const char *ifname = why->what;
	_cleanup_fd_ int fd = -1;
	struct rtnl_link link;
	int r = rtnl_link_get(&link, ifname);

	if (r == -ENODEV)
		return fail(why, r, "there is no such interface");
	if (r == -ENAMETOOLONG)
		return fail(why, r, "a name of %zu characters; an interface's has at most %d",
			    strlen(ifname), IFNAMSIZ - 1);
	if (r)
		return fail(why, r, "cannot ask what it is: %m");
	r = check_link(why, &link);
	if (r)
		return r;

	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fail(why, -errno, "cannot open /dev/net/tun: %m (%s)",
			    errno == ENOENT ? "modprobe tun; a container needs the device"
					    : "its mode is normally 0666; rssb doctor says more");
	r = attach_queue(why, fd, ifname, &link);
	if (!r)
		*ret_fd = fd_take(&fd);
	return r;
}

int tap_queue_open(int *ret_fd, const char *ifname, char *reason, size_t reason_len)
{
	return open_queue(&(struct why){ reason, reason_len, ifname }, ret_fd);
}

int tap_open(int *ret_fd, const char *ifname, char *reason, size_t reason_len)
{
	struct why why = { reason, reason_len, ifname };
	_cleanup_fd_ int fd = -1;
	int r = open_queue(&why, &fd);

	if (!r)
		r = detach_queue(&why, fd);
	if (!r)
		*ret_fd = fd_take(&fd);
	return r;
}

int tap_queue_detach(int fd, char *reason, size_t reason_len)
{
	return detach_queue(&(struct why){ reason, reason_len, "detach" }, fd);
}

int tap_check(int fd, char *reason, size_t reason_len)
{
	struct ifreq request = { 0 };
	char what[32];
	struct why why = { reason, reason_len, what };

	snprintf(what, sizeof(what), "fd %d", fd);
	if (ioctl(fd, TUNGETIFF, &request)) {
		if (errno == EBADF)
			return fail(&why, -EBADF, "is not open");
		if (errno == EBADFD)
			return fail(&why, -EBADFD, "is not attached to a tap yet");
		return fail(&why, -errno, "is not of a tap");
	}
	if (!(request.ifr_flags & IFF_TAP))
		return fail(&why, -EOPNOTSUPP, "is of a tun: it has no Ethernet frames");
	if (!(request.ifr_flags & IFF_MULTI_QUEUE))
		return fail(&why, -EOPNOTSUPP, "is of a tap with one queue only");
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

int tap_steer(int fd, int prog, char *reason, size_t reason_len)
{
	char name[IFNAMSIZ] = "the tap";
	struct why why = { reason, reason_len, name };

	int r;

	if (ioctl(fd, TUNSETSTEERINGEBPF, &prog) == 0)
		return 0;
	r = -errno;
	tap_name(fd, name);
	/* macvtap answers TUNGETIFF like a tap, but not this. */
	if (r == -EINVAL)
		return fail(&why, r, "the kernel lets no program steer it (is it a macvtap?)");
	return fail(&why, r, "the kernel refuses to %s: %m",
		    prog < 0 ? "take the program off" : "put the program on it");
}
