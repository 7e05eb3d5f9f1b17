/* SPDX-License-Identifier: MIT */
/* What the kernel says of a network interface, asked by rtnetlink: it takes no privilege. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LINK_NOBODY UINT32_MAX /* no owner, no group */

struct rtnl_link {
	char kind[16]; /* "tun", "macvtap", ...; empty: hardware, or a kind that has no name */

	/* Of kind "tun" alone. */
	bool is_tap; /* Ethernet frames; else a tun, with IP packets */
	bool packet_info, vnet_hdr, persistent, multi_queue;
	uint32_t owner, group; /* who may open it; LINK_NOBODY: not restricted */
	uint32_t queues;       /* attached ones, if it is multi_queue */
};

/* 0; -ENODEV: there is none; -ENAMETOOLONG: nor can be; or what netlink(7) returns. */
int rtnl_link_get(struct rtnl_link *ret, const char *ifname);
