// SPDX-License-Identifier: MIT
#include "tests/bpf/lib/reference.h"

#include <string.h>

#include "headers.h"

enum { TCP = 6, UDP = 17 };

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
	struct headers outer = { 0 }, inner, h;

	memset(ret, 0, sizeof(*ret));
	ret->entry = -1;
	ret->queue = s->default_queue;
	headers_read_ethernet((struct reader){ packet, len }, &outer);
	ret->inner = headers_read_inner(s->hash_types, &outer, &inner);
	h = ret->inner ? inner : outer;
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
