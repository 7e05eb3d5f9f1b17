// SPDX-License-Identifier: MIT
/*
 * The packet inside a tunnel, by the RFCs of each: GRE 2784 and 2890, NVGRE 7637, GRE in UDP 8086,
 * VXLAN 7348, Geneve 8926, IP in IP 2003, VXLAN-GPE draft-ietf-nvo3-vxlan-gpe.
 */
#include "headers.h"

#include <string.h>

enum { IP_IN_IP = 4, UDP = 17, IP6_IN_IP = 41, GRE = 47 };

enum { TRANSPARENT_ETHERNET = 0x6558, NOT_IP = 0xffff };

/* What a tunnel's header says of itself: what it is one of, and what is inside. */
struct tunnel {
	uint32_t types;	     /* RSS_TUNNEL_ bits, of which one must be enabled */
	unsigned int inside; /* an ethertype */
};

/* RFC 2784 and 2890; false: cut, of another version, or with fields that these do not have. */
static bool read_gre(struct reader *r, bool over_ipv6, struct tunnel *t)
{
	bool checksum, key, sequence;
	const uint8_t *p, *fields;

	if (!take(r, &p, 4))
		return false;
	checksum = p[0] & 0x80;
	key = p[0] & 0x20;
	sequence = p[0] & 0x10;
	if (p[0] & 0x40 || p[0] & 0x0c || p[1] & 7)
		return false;
	if (!take(r, &fields, (checksum ? 4u : 0u) + (key ? 4u : 0u) + (sequence ? 4u : 0u)))
		return false;
	t->inside = be16(p + 2);
	if (over_ipv6)
		t->types = RSS_TUNNEL_GRE_7676;
	else
		t->types = key || sequence ? RSS_TUNNEL_GRE_2890 : RSS_TUNNEL_GRE_2784;
	if (key && !checksum && !sequence && t->inside == TRANSPARENT_ETHERNET)
		t->types |= RSS_TUNNEL_NVGRE;
	return true;
}

static bool read_vxlan(struct reader *r, struct tunnel *t)
{
	const uint8_t *p;

	t->types = RSS_TUNNEL_VXLAN;
	t->inside = TRANSPARENT_ETHERNET;
	return take(r, &p, 8) && p[0] & 0x08;
}

/* With a network identifier and a protocol, of version 0 and no OAM packet. */
static bool read_vxlan_gpe(struct reader *r, struct tunnel *t)
{
	static const unsigned int protocols[] = { NOT_IP, 0x0800, 0x86dd, TRANSPARENT_ETHERNET };
	const uint8_t *p;

	if (!take(r, &p, 8))
		return false;
	t->types = RSS_TUNNEL_VXLAN_GPE;
	t->inside = p[3] < 4 ? protocols[p[3]] : NOT_IP;
	return (p[0] >> 4 & 3) == 0 && p[0] & 0x08 && p[0] & 0x04 && !(p[0] & 0x01);
}

/* Of version 0 and no control packet. */
static bool read_geneve(struct reader *r, struct tunnel *t)
{
	const uint8_t *p, *options;

	if (!take(r, &p, 8) || !take(r, &options, (p[0] & 63u) * 4))
		return false;
	t->types = RSS_TUNNEL_GENEVE;
	t->inside = be16(p + 2);
	return p[0] >> 6 == 0 && !(p[1] & 0x80);
}

static bool read_udp_tunnel(struct reader *r, struct tunnel *t)
{
	const uint8_t *p;
	bool whole;

	if (!take(r, &p, 8))
		return false;
	switch (be16(p + 2)) {
	case 4754:
		whole = read_gre(r, false, t);
		t->types = RSS_TUNNEL_GRE_UDP;
		return whole;
	case 4789: /* IANA's */
	case 8472: /* Linux's */
		return read_vxlan(r, t);
	case 4790:
		return read_vxlan_gpe(r, t);
	case 6081:
		return read_geneve(r, t);
	}
	return false;
}

static bool read_tunnel(struct reader *r, const struct headers *outer, struct tunnel *t)
{
	switch (outer->protocol) {
	case IP_IN_IP:
	case IP6_IN_IP:
		t->types = RSS_TUNNEL_IPIP;
		t->inside = outer->protocol == IP_IN_IP ? 0x0800 : 0x86dd;
		return true;
	case GRE:
		return read_gre(r, outer->version == 6, t);
	case UDP:
		return read_udp_tunnel(r, t);
	}
	return false;
}

bool headers_read_inner(uint32_t enabled, const struct headers *outer, struct headers *h)
{
	struct reader r = outer->payload;
	struct tunnel t = { 0 };

	memset(h, 0, sizeof(*h));
	if (!outer->version || outer->truncated || !read_tunnel(&r, outer, &t) ||
	    !(t.types & enabled))
		return false;
	if (t.inside == TRANSPARENT_ETHERNET)
		headers_read_ethernet(r, h);
	else
		headers_read_ip(&r, t.inside, h);
	h->differences |= outer->differences;
	return !h->truncated;
}
