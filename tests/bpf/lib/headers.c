// SPDX-License-Identifier: MIT
#include "headers.h"

#include <string.h>

enum {
	TCP = 6,
	UDP = 17,
	HOP = 0,
	ROUTING = 43,
	FRAGMENT = 44,
	AUTH = 51,
	ICMP6 = 58,
	NONE = 59,
	OPTIONS = 60,
	MOBILITY = 135
};

static void read_transport(struct reader *r, struct headers *h)
{
	size_t need = h->protocol == TCP ? 20 : h->protocol == UDP ? 8 : 0;
	const uint8_t *p;

	h->payload = *r;
	if (!take(r, &p, need))
		h->truncated = true;
	else if (need)
		memcpy(h->ports, p, 4);
}

static void read_ipv4(struct reader *r, struct headers *h)
{
	struct reader start = *r;
	const uint8_t *p, *all;
	size_t len;

	h->version = 4;
	if (!take(r, &p, 20)) {
		h->truncated = true;
		return;
	}
	memcpy(h->src, p + 12, 4);
	memcpy(h->dst, p + 16, 4);
	h->protocol = be16(p + 6) & 0x3fff ? NONE : p[9];

	/* A header that says it is shorter than 20 bytes is taken at its word, as QEMU does. */
	len = (size_t)(p[0] & 15) * 4;
	*r = start;
	if (!take(r, &all, len)) {
		h->truncated = true;
		h->differences |= DIFF_CUT_HEADER;
		return;
	}
	read_transport(r, h);
}

/* The first home address among the options of a header of len bytes, if it has one. */
static const uint8_t *find_home(const uint8_t *header, size_t len, struct headers *h)
{
	size_t off = 2;

	for (int n = 0; off < len; n++) {
		if (n == 8)
			h->differences |= DIFF_OPTION_LIMIT;
		if (header[off] == 0xc9) {
			if (off + 18 <= len)
				return n < 8 ? header + off + 2 : NULL;
			h->differences |= DIFF_HOME_OUTSIDE;
			return NULL;
		}
		if (header[off] == 0)
			off += 1;
		else if (off + 1 < len)
			off += 2u + header[off + 1];
		else
			break;
	}
	return NULL;
}

/* A Pad1 that ends the packet: QEMU wants the length byte of it. */
static bool ends_in_pad1(const uint8_t *header, size_t len, const struct reader *r)
{
	return r->left == 0 && header[len - 1] == 0;
}

/* Only the last two headers that could hold a home address are looked into. */
static void read_options(const uint8_t *header, size_t len, const struct reader *r,
			 struct headers *h)
{
	const uint8_t *home = find_home(header, len, h);

	if (ends_in_pad1(header, len, r))
		h->differences |= DIFF_CUT_HEADER;
	if (len < 24)
		return;
	h->earlier_home = h->last_home;
	h->last_home = home;
	if (++h->options > 2)
		h->differences |= DIFF_OPTION_LIMIT;
}

static size_t extension_len(int kind, const uint8_t *p)
{
	if (kind == AUTH)
		return (p[1] + 2u) * 4;
	return kind == FRAGMENT ? 8 : (p[1] + 1u) * 8;
}

static bool is_extension(int kind)
{
	return kind == HOP || kind == ROUTING || kind == FRAGMENT || kind == AUTH ||
	       kind == OPTIONS;
}

/* What QEMU's program takes for an extension header besides. */
static bool qemu_walks(int kind)
{
	return kind == ICMP6 || kind == NONE || kind == MOBILITY;
}

/* One extension header of kind *next, which becomes what follows.  False: cut short. */
static bool read_extension(struct reader *r, struct headers *h, int *next, bool *fragment)
{
	const uint8_t *p = r->at;
	int kind = *next;
	size_t len;

	if (r->left < 2 || !take(r, &p, extension_len(kind, r->at)))
		return false;
	len = (size_t)(r->at - p);
	h->extended = true;
	*next = p[0];
	if (kind == AUTH)
		h->differences |= DIFF_AH;
	if (kind == OPTIONS)
		read_options(p, len, r, h);
	if (kind == ROUTING && p[1] == 2 && p[2] == 2 && p[3] == 1)
		memcpy(h->home_dst, p + 8, 16);
	if (kind == FRAGMENT) {
		*fragment = true;
		if (p[1]) /* reserved, not a length */
			h->differences |= DIFF_FRAGMENT_LENGTH;
		if (be16(p + 2) & 0xfff8) {
			if (is_extension(*next) || qemu_walks(*next))
				h->differences |= DIFF_FRAGMENT_PAYLOAD;
			*next = -1; /* no header at all */
			return true;
		}
	}
	return true;
}

static void read_extensions(struct reader *r, struct headers *h, int next)
{
	bool fragment = false;

	for (int n = 0; n < 11 && is_extension(next); n++) {
		if (!read_extension(r, h, &next, &fragment)) {
			h->truncated = true;
			h->differences |= DIFF_CUT_HEADER;
			return;
		}
	}
	if (h->last_home || h->earlier_home)
		memcpy(h->home_src, h->last_home ? h->last_home : h->earlier_home, 16);
	if (qemu_walks(next))
		h->differences |= DIFF_NO_EXTENSION;
	h->protocol = fragment || is_extension(next) ? NONE : next;
	read_transport(r, h);
}

static void read_ipv6(struct reader *r, struct headers *h)
{
	const uint8_t *p;

	h->version = 6;
	if (!take(r, &p, 40)) {
		h->truncated = true;
		return;
	}
	memcpy(h->src, p + 8, 16);
	memcpy(h->dst, p + 24, 16);
	memcpy(h->home_src, h->src, 16);
	memcpy(h->home_dst, h->dst, 16);
	read_extensions(r, h, p[6]);
}

void headers_read_ip(struct reader *r, unsigned int type, struct headers *h)
{
	if (type == 0x0800)
		read_ipv4(r, h);
	else if (type == 0x86dd)
		read_ipv6(r, h);
}

void headers_read_ethernet(struct reader r, struct headers *h)
{
	const uint8_t *p;

	if (!take(&r, &p, 14)) {
		h->truncated = true;
		return;
	}
	p += 12;
	for (int tags = 0; tags < 2 && (be16(p) == 0x8100 || be16(p) == 0x88a8); tags++) {
		h->differences |= DIFF_VLAN;
		if (!take(&r, &p, 4)) {
			h->truncated = true;
			return;
		}
		p += 2;
	}
	headers_read_ip(&r, be16(p), h);
}
