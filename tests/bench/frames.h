/* SPDX-License-Identifier: MIT */
/*
 * Frames of many flows, as a guest's peers would send them.  The same numbers
 * every time; checksums are left out, nobody on a tap looks at them.
 */
#pragma once

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FRAME_MAX 1514

/* What is between an outer IPv4 header, always the same, and the packet inside. */
struct frame_tunnel {
	uint8_t protocol;
	uint16_t port; /* of UDP, or 0 */
	uint8_t header[8];
	uint8_t header_len;
	bool ethernet; /* comes first in what is inside */
};

struct frame_class {
	const char *name;
	bool ipv6;
	uint8_t protocol;
	bool vlan;		    /* an 802.1Q tag, in the data */
	struct frame_tunnel tunnel; /* protocol 0: none */
};

#define FRAME_GRE                                                                                  \
	{                                                                                          \
		IPPROTO_GRE, 0, { 0, 0, 0x08, 0x00 }, 4, false                                     \
	}
#define FRAME_IPIP                                                                                 \
	{                                                                                          \
		IPPROTO_IPIP, 0, { 0 }, 0, false                                                   \
	}
#define FRAME_NVGRE                                                                                \
	{                                                                                          \
		IPPROTO_GRE, 0, { 0x20, 0, 0x65, 0x58, 0, 0, 5, 0 }, 8, true                       \
	}
#define FRAME_VXLAN                                                                                \
	{                                                                                          \
		IPPROTO_UDP, 4789, { 8, 0, 0, 0, 0, 0, 5, 0 }, 8, true                             \
	}
#define FRAME_GENEVE                                                                               \
	{                                                                                          \
		IPPROTO_UDP, 6081, { 0, 0, 0x65, 0x58, 0, 0, 5, 0 }, 8, true                       \
	}
#define FRAME_GRE_UDP                                                                              \
	{                                                                                          \
		IPPROTO_UDP, 4754, { 0, 0, 0x08, 0x00 }, 4, false                                  \
	}
#define FRAME_VXLAN_GPE                                                                            \
	{                                                                                          \
		IPPROTO_UDP, 4790, { 0x0c, 0, 0, 1, 0, 0, 5, 0 }, 8, false                         \
	}

#define FRAME_TAG_LEN 4

/* xorshift32: every flow's fields come from its number alone. */
static inline uint32_t frame_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static inline size_t frame_ip4(uint8_t *at, uint8_t protocol, size_t len, uint32_t *random)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons((uint16_t)len),
		.ttl = 64,
		.protocol = protocol,
		.saddr = frame_random(random),
		.daddr = htonl(0xc0000201),
	};

	memcpy(at, &ip, sizeof(ip));
	return sizeof(ip);
}

static inline size_t frame_ip6(uint8_t *at, uint8_t protocol, size_t len, uint32_t *random)
{
	struct ip6_hdr ip = {
		.ip6_flow = htonl(6u << 28),
		.ip6_plen = htons((uint16_t)(len - sizeof(ip))),
		.ip6_nxt = protocol,
		.ip6_hlim = 64,
		.ip6_src.s6_addr = { 0x20, 0x01, 0x0d, 0xb8 },
		.ip6_dst.s6_addr = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 },
	};

	for (size_t i = 8; i < 16; i++)
		ip.ip6_src.s6_addr[i] = (uint8_t)frame_random(random);
	memcpy(at, &ip, sizeof(ip));
	return sizeof(ip);
}

/* Returns where the IP header begins. */
static inline size_t frame_link(uint8_t *at, const struct frame_class *class)
{
	const uint16_t ip = htons(class->ipv6 ? ETH_P_IPV6 : ETH_P_IP);
	const uint16_t tag[2] = { htons(7), ip };
	struct ethhdr eth = { .h_proto = class->vlan ? htons(ETH_P_8021Q) : ip };

	memcpy(eth.h_dest, "\x02\0\0\0\0\1", ETH_ALEN);
	memcpy(eth.h_source, "\x02\0\0\0\0\2", ETH_ALEN);
	memcpy(at, &eth, sizeof(eth));
	if (!class->vlan)
		return sizeof(eth);
	memcpy(at + sizeof(eth), tag, sizeof(tag));
	return sizeof(eth) + sizeof(tag);
}

/* Writes what is around the packet in a tunnel, without the outer MAC header; returns its length.
 */
static inline size_t frame_around(uint8_t *at, const struct frame_tunnel *tunnel, size_t inside)
{
	const size_t udp = tunnel->port ? 8 : 0, len = 20 + udp + tunnel->header_len;
	uint32_t always = 1;

	frame_ip4(at, tunnel->protocol, len + inside, &always);
	if (tunnel->port) {
		const uint16_t header[3] = { htons(49152), htons(tunnel->port),
					     htons((uint16_t)(len - 20 + inside)) };

		memcpy(at + 20, header, sizeof(header));
	}
	memcpy(at + 20 + udp, tunnel->header, tunnel->header_len);
	return len;
}

/* Writes a flow's frame of at least size bytes (or what its headers take); returns its length. */
static inline size_t frame_make(uint8_t ret[FRAME_MAX], const struct frame_class *class,
				uint32_t flow, size_t size)
{
	static const struct frame_class outer = { .name = "outer" };
	const struct frame_tunnel *tunnel = &class->tunnel;
	const size_t l4 = class->protocol == IPPROTO_TCP ? 20 : 8, l3 = class->ipv6 ? 40 : 20;
	uint32_t random = 0x9e3779b9u * (flow + 1);
	uint8_t *at = ret, link[ETH_HLEN + FRAME_TAG_LEN];
	size_t l2 = frame_link(link, class), around = 0;
	uint16_t ports[2];

	if (tunnel->protocol) {
		l2 = tunnel->ethernet ? l2 : 0;
		around = ETH_HLEN + 20 + (tunnel->port ? 8u : 0u) + tunnel->header_len;
	}
	size = size < around + l2 + l3 + l4 ? around + l2 + l3 + l4 : size;
	memset(ret, 0, size);
	if (tunnel->protocol) {
		at += frame_link(at, &outer);
		at += frame_around(at, tunnel, size - around);
	}
	memcpy(at, link, l2);
	at += l2;
	at += (class->ipv6 ? frame_ip6 : frame_ip4)(at, class->protocol, size - around - l2,
						    &random);
	ports[0] = htons((uint16_t)frame_random(&random));
	ports[1] = htons(443);
	memcpy(at, ports, sizeof(ports));
	if (class->protocol == IPPROTO_TCP)
		at[12] = 5 << 4;
	return size;
}
