/* SPDX-License-Identifier: MIT */
/*
 * Toeplitz, bit by bit as it is defined.  Slow on purpose: it must stay too
 * simple to be wrong, and share nothing with the BPF program.
 */
#include "client/cli/rss/toeplitz.h"

#include <string.h>

#include "bpf/rss_maps.h"

const uint8_t toeplitz_microsoft_key[RSSB_KEY_BYTES] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

/* Bit n of a string of bytes, the most significant bit of byte 0 being the first. */
static unsigned bit_at(const uint8_t *bytes, size_t n)
{
	return bytes[n / 8] >> (7 - n % 8) & 1;
}

/* The 32 key bits from bit n on; past the key's end come zeros. */
static uint32_t key_window(const uint8_t key[RSSB_KEY_BYTES], size_t n)
{
	uint32_t window = 0;

	for (size_t i = n; i < n + 32; i++)
		window = window << 1 | (i < 8 * RSSB_KEY_BYTES ? bit_at(key, i) : 0);
	return window;
}

uint32_t toeplitz_hash(const uint8_t key[RSSB_KEY_BYTES], const uint8_t *input, size_t len)
{
	uint32_t hash = 0;

	for (size_t n = 0; n < 8 * len; n++)
		if (bit_at(input, n))
			hash ^= key_window(key, n);
	return hash;
}

/* The hash types that a flow may have: with its ports, and without. */
static void types_of(const struct flow *flow, uint32_t *ret_ports, uint32_t *ret_plain)
{
	static const uint32_t with_ports[2][3] = {
		{ [FLOW_TCP] = RSS_HASH_TCPV4, [FLOW_UDP] = RSS_HASH_UDPV4 },
		{ [FLOW_TCP] = RSS_HASH_TCPV6, [FLOW_UDP] = RSS_HASH_UDPV6 },
	};

	*ret_ports = with_ports[flow->version == 6][flow->proto];
	*ret_plain = flow->version == 6 ? RSS_HASH_IPV6 : RSS_HASH_IPV4;
}

static size_t put(uint8_t *input, size_t at, const void *bytes, size_t len)
{
	memcpy(input + at, bytes, len);
	return at + len;
}

uint32_t toeplitz_flow_hash(const struct flow *flow, const uint8_t key[RSSB_KEY_BYTES],
			    uint32_t hash_types, uint32_t *ret)
{
	const uint8_t ports[4] = { (uint8_t)(flow->sport >> 8), (uint8_t)flow->sport,
				   (uint8_t)(flow->dport >> 8), (uint8_t)flow->dport };
	size_t address_len = flow->version == 6 ? 16 : 4, len;
	uint32_t type_ports, type_plain;
	uint8_t input[36];

	types_of(flow, &type_ports, &type_plain);
	len = put(input, 0, flow->src, address_len);
	len = put(input, len, flow->dst, address_len);
	if (hash_types & type_ports)
		len = put(input, len, ports, sizeof(ports));
	else if (!(hash_types & type_plain))
		return 0;

	*ret = toeplitz_hash(key, input, len);
	return hash_types & type_ports ? type_ports : type_plain;
}
