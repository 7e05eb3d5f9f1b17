/* SPDX-License-Identifier: MIT */
/*
 * What the reference reads from a packet in memory, before it judges: its headers, and those
 * of the packet inside, if it is a tunnel's.
 */
#pragma once

#include "reference.h"

/* A packet and how much of it has been read. */
struct reader {
	const uint8_t *at;
	size_t left;
};

/* Of a packet, all that the rules speak of. */
struct headers {
	struct reader payload; /* behind the network headers, of `protocol` */
	int version;	       /* of IP; 0: not IP */
	bool truncated;
	bool extended;
	int protocol; /* TCP, UDP or another, with no header to be seen */
	uint8_t src[16], dst[16], home_src[16], home_dst[16], ports[4];
	int options; /* headers that could hold a home address */
	const uint8_t *earlier_home, *last_home;
	unsigned int differences;
};

/* Reads an Ethernet frame, or an IP packet of this ethertype, into zeroed headers. */
void headers_read_ethernet(struct reader r, struct headers *h);
void headers_read_ip(struct reader *r, unsigned int type, struct headers *h);

/*
 * Reads what is inside a tunnel, one of RSS_TUNNEL_ bits `enabled`, into *h.  False: it is none of
 * these, or not all of it is there and well-formed, and the outer headers count.
 */
bool headers_read_inner(uint32_t enabled, const struct headers *outer, struct headers *h);

/* The next len bytes; false: there are fewer. */
static inline bool take(struct reader *r, const uint8_t **ret, size_t len)
{
	if (r->left < len)
		return false;
	*ret = r->at;
	r->at += len;
	r->left -= len;
	return true;
}

static inline unsigned int be16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}
