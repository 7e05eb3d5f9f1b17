/* SPDX-License-Identifier: MIT */
/*
 * One RTM_GETLINK request and its answer.  rtnetlink tells all that doctor needs of a tap, and
 * of the caller's own network namespace: sysfs may show those of another.
 */
#include "client/cli/net/rtnl_link.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/util/fd.h"

#define REPLY_MAX 32768 /* an answer that does not fit is an error, not cut */

struct request {
	struct nlmsghdr header;
	struct ifinfomsg info;
	char attributes[RTA_SPACE(IFNAMSIZ) + RTA_SPACE(sizeof(uint32_t))];
};

static void request_add(struct request *r, unsigned short type, const void *value, size_t len)
{
	struct rtattr *attribute = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->header.nlmsg_len));

	attribute->rta_type = type;
	attribute->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(attribute), value, len);
	r->header.nlmsg_len = NLMSG_ALIGN(r->header.nlmsg_len) + RTA_SPACE(len);
}

static int exchange(const char *ifname, void *reply, size_t *len)
{
	static const uint32_t no_statistics = RTEXT_FILTER_SKIP_STATS;
	struct request request = {
		.header.nlmsg_len = NLMSG_LENGTH(sizeof(request.info)),
		.header.nlmsg_type = RTM_GETLINK,
		.header.nlmsg_flags = NLM_F_REQUEST,
	};
	_cleanup_fd_ int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t n;

	if (sock < 0)
		return -errno;
	request_add(&request, IFLA_IFNAME, ifname, strlen(ifname) + 1);
	request_add(&request, IFLA_EXT_MASK, &no_statistics, sizeof(no_statistics));
	if (send(sock, &request, request.header.nlmsg_len, 0) < 0)
		return -errno;
	n = recv(sock, reply, *len, MSG_TRUNC);
	if (n < 0)
		return -errno;
	if ((size_t)n > *len)
		return -EMSGSIZE;
	*len = (size_t)n;
	return 0;
}

/* An integer of whatever width the kernel gives it. */
static uint32_t attribute_u32(const struct rtattr *a)
{
	uint32_t wide = 0;

	if (RTA_PAYLOAD(a) == sizeof(uint8_t))
		return *(const uint8_t *)RTA_DATA(a);
	if (RTA_PAYLOAD(a) >= sizeof(wide))
		memcpy(&wide, RTA_DATA(a), sizeof(wide));
	return wide;
}

static void read_tun(struct rtnl_link *link, const struct rtattr *a)
{
	bool *const flags[] = {
		[IFLA_TUN_PI] = &link->packet_info,
		[IFLA_TUN_VNET_HDR] = &link->vnet_hdr,
		[IFLA_TUN_PERSIST] = &link->persistent,
		[IFLA_TUN_MULTI_QUEUE] = &link->multi_queue,
	};
	uint32_t *const numbers[] = {
		[IFLA_TUN_OWNER] = &link->owner,
		[IFLA_TUN_GROUP] = &link->group,
		[IFLA_TUN_NUM_QUEUES] = &link->queues,
	};
	const unsigned type = a->rta_type;

	if (type == IFLA_TUN_TYPE)
		link->is_tap = attribute_u32(a) == IFF_TAP;
	else if (type < sizeof(flags) / sizeof(flags[0]) && flags[type])
		*flags[type] = attribute_u32(a);
	else if (type < sizeof(numbers) / sizeof(numbers[0]) && numbers[type])
		*numbers[type] = attribute_u32(a);
}

/* Calls read for each attribute in these bytes. */
static void for_each(struct rtnl_link *link, const void *bytes, size_t len,
		     void (*read)(struct rtnl_link *link, const struct rtattr *a))
{
	for (const struct rtattr *a = bytes; RTA_OK(a, len); a = RTA_NEXT(a, len))
		read(link, a);
}

static void read_linkinfo(struct rtnl_link *link, const struct rtattr *a)
{
	size_t len = RTA_PAYLOAD(a);

	if (a->rta_type == IFLA_INFO_KIND)
		memcpy(link->kind, RTA_DATA(a),
		       len < sizeof(link->kind) ? len : sizeof(link->kind) - 1);
	else if (a->rta_type == IFLA_INFO_DATA && strcmp(link->kind, "tun") == 0)
		for_each(link, RTA_DATA(a), len, read_tun);
}

static void read_link(struct rtnl_link *link, const struct rtattr *a)
{
	if ((a->rta_type & NLA_TYPE_MASK) == IFLA_LINKINFO)
		for_each(link, RTA_DATA(a), RTA_PAYLOAD(a), read_linkinfo);
}

int rtnl_link_get(struct rtnl_link *ret, const char *ifname)
{
	union {
		struct nlmsghdr header;
		char bytes[REPLY_MAX];
	} reply = { .header.nlmsg_len = 0 };
	struct rtnl_link link = { .owner = LINK_NOBODY, .group = LINK_NOBODY };
	const size_t head = NLMSG_SPACE(sizeof(struct ifinfomsg));
	size_t len = sizeof(reply);
	int r;

	if (!*ifname)
		return -ENODEV;
	if (strlen(ifname) >= IFNAMSIZ)
		return -ENAMETOOLONG;
	r = exchange(ifname, &reply, &len);
	if (r)
		return r;
	if (!NLMSG_OK(&reply.header, len))
		return -EBADMSG;
	if (reply.header.nlmsg_type == NLMSG_ERROR)
		return ((struct nlmsgerr *)NLMSG_DATA(&reply.header))->error ?: -EBADMSG;
	if (reply.header.nlmsg_type != RTM_NEWLINK || reply.header.nlmsg_len < head)
		return -EBADMSG;

	for_each(&link, reply.bytes + head, reply.header.nlmsg_len - head, read_link);
	*ret = link;
	return 0;
}
