/* SPDX-License-Identifier: MIT */
/* The checks of a tap: what it is, and who may have it.  Pure. */
#include <errno.h>
#include <linux/if.h>
#include <string.h>

#include "client/cli/commands/doctor/doctor.h"
#include "client/cli/util/mem.h"
#include "client/cli/util/shell_word.h"

#define NOT_ASKED "not asked about: --ifname IFNAME"

/* The commands that make it as it should be; to be freed. */
static char *tap_anew(const struct doctor *d)
{
	_cleanup_free_ char *user = doctor_user(d->uid);
	_cleanup_free_ char *name = shell_word(d->ifname);
	_cleanup_free_ char *delete = d->tap.error ? mem_format("%s", "")
						   : mem_format("ip link del %s && ", name);

	return mem_format("%sip tuntap add dev %s mode tap multi_queue vnet_hdr user %s && "
			  "ip link set %s up",
			  delete, name, d->uid ? user : "USER", name);
}

static bool is_tap(const struct doctor *d)
{
	return d->ifname && !d->tap.error && strcmp(d->tap.link.kind, "tun") == 0 &&
	       d->tap.link.is_tap;
}

struct doctor_finding doctor_tap_kind(const struct doctor *d)
{
	const struct rtnl_link *link = &d->tap.link;

	if (!d->ifname)
		return doctor_skip(NOT_ASKED);
	if (d->tap.error == -ENODEV)
		return doctor_problem(tap_anew(d),
				      "%s: there is no such interface in this network "
				      "namespace",
				      d->ifname);
	if (d->tap.error == -ENAMETOOLONG)
		return doctor_problem(mem_format("give the name that ip link show lists"),
				      "%s has %zu characters, and an interface's name at most %d",
				      d->ifname, strlen(d->ifname), IFNAMSIZ - 1);
	if (d->tap.error)
		return doctor_problem(mem_format("ip link show says more"), "%s: %s", d->ifname,
				      strerror(-d->tap.error));
	if (strcmp(link->kind, "macvtap") == 0 || strcmp(link->kind, "ipvtap") == 0)
		return doctor_problem(mem_format("give the VM a tap on a bridge instead"),
				      "%s is a %s: the kernel lets no program steer one", d->ifname,
				      link->kind);
	if (!is_tap(d))
		return doctor_problem(mem_format("give the VM a tap: ip tuntap add ... mode tap"),
				      "%s is %s", d->ifname,
				      strcmp(link->kind, "tun") ? "no tap"
								: "a tun: it has no Ethernet "
								  "frames to steer");
	return doctor_ok("%s is a tap", d->ifname);
}

struct doctor_finding doctor_tap_queues(const struct doctor *d)
{
	if (!is_tap(d))
		return doctor_skip(d->ifname ? "no tap" : NOT_ASKED);
	if (!d->tap.link.multi_queue)
		return doctor_problem(tap_anew(d),
				      "%s was made without multi_queue: it has one "
				      "queue, and nothing to steer",
				      d->ifname);
	return doctor_ok("%s has multi_queue, and %u queues attached", d->ifname,
			 d->tap.link.queues);
}

struct doctor_finding doctor_tap_header(const struct doctor *d)
{
	if (!is_tap(d))
		return doctor_skip(d->ifname ? "no tap" : NOT_ASKED);
	if (!d->tap.link.vnet_hdr)
		return doctor_problem(tap_anew(d),
				      "%s was made without vnet_hdr: steering works, "
				      "but without offloads",
				      d->ifname);
	return doctor_ok("%s has vnet_hdr", d->ifname);
}

struct doctor_finding doctor_tap_owner(const struct doctor *d)
{
	const struct rtnl_link *link = &d->tap.link;
	_cleanup_free_ char *owner = NULL, *user = NULL;

	if (!is_tap(d))
		return doctor_skip(d->ifname ? "no tap" : NOT_ASKED);
	if (link->owner == LINK_NOBODY && link->group == LINK_NOBODY)
		return link->persistent
			       ? doctor_problem(tap_anew(d),
						"%s has no owner: every user can "
						"open it",
						d->ifname)
			       : doctor_ok("%s has no owner, and lives as long as it is open",
					   d->ifname);
	user = doctor_user(d->uid);
	if (d->uid && link->group != LINK_NOBODY && !d->tap.in_group)
		return doctor_problem(tap_anew(d), "%s is for the group %u, which %s is not in",
				      d->ifname, link->group, user);
	if (link->owner == LINK_NOBODY)
		return doctor_ok("%s is for the group %u", d->ifname, link->group);
	owner = doctor_user(link->owner);
	if (d->uid && link->owner != d->uid)
		return doctor_problem(tap_anew(d), "%s belongs to %s, not to %s", d->ifname, owner,
				      user);
	return doctor_ok("%s belongs to %s", d->ifname, owner);
}
