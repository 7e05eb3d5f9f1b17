/* SPDX-License-Identifier: MIT */
/* Which taps are host-steered.  It must never change one. */
#include "client/preload/host_steered.h"

#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "client/preload/raw.h"

static const char *names;

void host_steered_set(const char *list)
{
	names = list && *list ? list : NULL;
}

static bool is_named(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; p; p = strchr(p, ':')) {
		p += *p == ':';
		if (strncmp(p, name, len) == 0 && (p[len] == ':' || !p[len]))
			return true;
	}
	return false;
}

bool host_steered(int fd)
{
	struct ifreq ifr;

	if (!names)
		return false;
	memset(&ifr, 0, sizeof(ifr));
	if (raw_syscall(SYS_ioctl, (long[6]){ fd, TUNGETIFF, (long)&ifr }) < 0)
		return false;
	ifr.ifr_name[IFNAMSIZ - 1] = '\0';
	return is_named(names, ifr.ifr_name);
}
