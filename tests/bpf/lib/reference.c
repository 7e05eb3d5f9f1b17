// SPDX-License-Identifier: MIT
#include "tests/bpf/lib/reference.h"

#include <string.h>

const char *const reference_difference_names[DIFF_COUNT] = {
	"ex-types",
	"not-an-extension",
	"ah",
	"fragment-payload",
	"cut-header",
	"option-limit",
	"home-outside",
	"table-length",
	"vlan",
	"paged",
	"fragment-length",
};

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

/* Of a packet, all that the rules speak of. */
struct headers {
	int version; /* of IP; 0: not IP */
	bool truncated;
	bool extended;
	int protocol; /* TCP, UDP or another, with no header to be seen */
	uint8_t src[16], dst[16], home_src[16], home_dst[16], ports[4];
	int options; /* headers that could hold a home address */
	const uint8_t *earlier_home, *last_home;
	unsigned int differences;
};

/* A packet and how much of it has been read. */
struct reader {
	const uint8_t *at;
	size_t left;
};

static bool take(struct reader *r, const uint8_t **ret, size_t len)
{
	if (r->left < len)
		return false;
	*ret = r->at;
	r->at += len;
	r->left -= len;
	return true;
}

static unsigned int be16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

uint32_t reference_toeplitz(const uint8_t key[RSS_KEY_LEN], const uint8_t *input, size_t len)
{
	uint32_t hash = 0;

	for (size_t i = 0; i < len * 8; i++) {
		if (!(input[i / 8] >> (7 - i % 8) & 1))
			continue;
		for (size_t b = 0; b < 32; b++) {
			size_t k = i + b;

			if (key[k / 8] >> (7 - k % 8) & 1)
				hash ^= 1u << (31 - b);
		}
	}
	return hash;
}

static void read_transport(struct reader *r, struct headers *h)
{
	size_t need = h->protocol == TCP ? 20 : h->protocol == UDP ? 8 : 0;
	const uint8_t *p;

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

static void read_frame(const uint8_t *packet, size_t len, struct headers *h)
{
	struct reader r = { packet, len };
	const uint8_t *p;

	memset(h, 0, sizeof(*h));
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
	if (be16(p) == 0x0800)
		read_ipv4(&r, h);
	else if (be16(p) == 0x86dd)
		read_ipv6(&r, h);
}

static uint32_t type_of(uint32_t types, int protocol, uint32_t tcp, uint32_t udp, uint32_t ip)
{
	if (protocol == TCP && types & tcp)
		return tcp;
	if (protocol == UDP && types & udp)
		return udp;
	return types & ip ? ip : 0;
}

static uint32_t choose_type(uint32_t types, const struct headers *h)
{
	uint32_t type = 0;

	if (h->version == 4)
		return type_of(types, h->protocol, RSS_HASH_TCPV4, RSS_HASH_UDPV4, RSS_HASH_IPV4);
	if (h->extended)
		type = type_of(types, h->protocol, RSS_HASH_TCP_EX, RSS_HASH_UDP_EX,
			       RSS_HASH_IP_EX);
	if (!type)
		type = type_of(types, h->protocol, RSS_HASH_TCPV6, RSS_HASH_UDPV6, RSS_HASH_IPV6);
	return type;
}

/* What QEMU chooses for a packet with extension headers: base type first, then its *_EX. */
static bool qemu_chooses_otherwise(uint32_t types, const struct headers *h)
{
	uint32_t base = type_of(types, h->protocol, RSS_HASH_TCPV6, RSS_HASH_UDPV6, RSS_HASH_IPV6);
	uint32_t ours = choose_type(types, h);
	uint32_t ex = base == RSS_HASH_TCPV6   ? RSS_HASH_TCP_EX
		      : base == RSS_HASH_UDPV6 ? RSS_HASH_UDP_EX
		      : base		       ? RSS_HASH_IP_EX
					       : 0;

	return h->extended && ours != (types & ex ? ex : base);
}

static void append(struct reference_verdict *v, const uint8_t *bytes, size_t len)
{
	memcpy(v->input + v->input_len, bytes, len);
	v->input_len += len;
}

static void lay_out(struct reference_verdict *v, const struct headers *h)
{
	bool ex = v->type & (RSS_HASH_IP_EX | RSS_HASH_TCP_EX | RSS_HASH_UDP_EX);
	size_t len = h->version == 4 ? 4 : 16;

	append(v, ex ? h->home_src : h->src, len);
	append(v, ex ? h->home_dst : h->dst, len);
	if (!(v->type & (RSS_HASH_IPV4 | RSS_HASH_IPV6 | RSS_HASH_IP_EX)))
		append(v, h->ports, 4);
}

static bool table_len_is_valid(unsigned int len)
{
	return len && len <= RSS_TABLE_MAX && !(len & (len - 1));
}

/* The type, or why there is none. */
static void judge(const struct steering *s, const struct headers *h, struct reference_verdict *v)
{
	if (!s->redirect || !table_len_is_valid(s->table_len))
		v->miss = MISS_CONFIG;
	else if (h->truncated)
		v->miss = MISS_TRUNCATED;
	else if (!h->version)
		v->miss = MISS_NOT_IP;
	else if (!(v->type = choose_type(s->hash_types, h)))
		v->miss = MISS_NO_TYPE;
}

void reference_steer(const struct steering *s, const uint8_t *packet, size_t len,
		     struct reference_verdict *ret)
{
	struct headers h;

	memset(ret, 0, sizeof(*ret));
	ret->entry = -1;
	ret->queue = s->default_queue;
	read_frame(packet, len, &h);
	ret->differences = h.differences;
	if (s->redirect && !table_len_is_valid(s->table_len))
		ret->differences |= DIFF_TABLE_LEN;
	if (h.version == 6 && !h.truncated && qemu_chooses_otherwise(s->hash_types, &h))
		ret->differences |= DIFF_EX_TYPES;
	judge(s, &h, ret);
	if (!ret->type)
		return;
	lay_out(ret, &h);
	ret->hash = reference_toeplitz(s->key, ret->input, ret->input_len);
	ret->entry = (int)(ret->hash % s->table_len);
	ret->queue = s->table[ret->entry];
}
