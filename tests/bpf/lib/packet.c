// SPDX-License-Identifier: MIT
#include "tests/bpf/lib/packet.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint8_t packet_src4[4] = { 192, 0, 2, 1 };
const uint8_t packet_dst4[4] = { 198, 51, 100, 7 };
const uint8_t packet_src6[16] = { 0x20, 0x01, 0x0d, 0xb8, 0x11, [15] = 0x17 };
const uint8_t packet_dst6[16] = { 0x20, 0x01, 0x0d, 0xb8, 0x22, [15] = 0x2a };
const uint8_t packet_home[16] = { 0x20, 0x01, 0x0d, 0xb8, 0x33, [15] = 0x35 };
const uint8_t packet_home2[16] = { 0x20, 0x01, 0x0d, 0xb8, 0x44, [15] = 0x4c };
const uint8_t packet_route[16] = { 0x20, 0x01, 0x0d, 0xb8, 0x55, [15] = 0x59 };
const uint8_t packet_ports[4] = { 0x04, 0xd2, 0x01, 0xbb };

enum { HOME_ADDRESS = 0xc9, HOME_LEN = 18 };

void packet_put(struct packet *p, const void *bytes, size_t len)
{
	if (len > sizeof(p->bytes) - p->len)
		abort();
	memcpy(p->bytes + p->len, bytes, len);
	p->len += len;
}

static void put_fill(struct packet *p, uint8_t byte, size_t len)
{
	while (len--)
		packet_put(p, &byte, 1);
}

static void put_u8(struct packet *p, unsigned int v)
{
	put_fill(p, (uint8_t)v, 1);
}

static void put_u16(struct packet *p, unsigned int v)
{
	put_u8(p, v >> 8);
	put_u8(p, v);
}

/* Notes that the next header's type goes `back` bytes before the end. */
static void type_goes(struct packet *p, size_t back, size_t bytes)
{
	p->type_at = p->len - back;
	p->type_bytes = bytes;
}

static void put_tag(struct packet *p, const char *word, unsigned int n)
{
	put_u16(p, 5); /* the VLAN */
	put_u16(p, 0);
	type_goes(p, 2, 2);
}

static void put_ipv4(struct packet *p, const char *word, unsigned int n)
{
	unsigned int version = strstr(word, "+v6") ? 6 : 4;
	unsigned int ihl = strstr(word, "+opt") ? 15 : 5;
	unsigned int fragment = 0;

	if (strstr(word, "+ihl"))
		ihl = (unsigned int)atoi(strstr(word, "+ihl") + 4);
	if (strstr(word, "+df"))
		fragment = 0x4000;
	if (strstr(word, "+mf"))
		fragment = 0x2000;
	if (strstr(word, "+off"))
		fragment = 0x00b9;
	put_u8(p, version << 4 | ihl);
	put_u8(p, 0);
	put_u16(p, 100);
	put_u16(p, 0x1234);
	put_u16(p, fragment);
	put_u8(p, 64);
	put_u8(p, 254);
	type_goes(p, 1, 1);
	put_u16(p, 0);
	packet_put(p, packet_src4, 4);
	packet_put(p, packet_dst4, 4);
	put_fill(p, 1, ihl > 5 ? 4 * (ihl - 5) : 0); /* no-operation options */
}

static void put_ipv6(struct packet *p, const char *word, unsigned int n)
{
	put_u16(p, 0x6000);
	put_u16(p, 0);
	put_u16(p, 100);
	put_u8(p, 254);
	type_goes(p, 1, 1);
	put_u8(p, 64);
	packet_put(p, packet_src6, 16);
	packet_put(p, packet_dst6, 16);
}

/* The first two bytes of an extension header of `words` eight-byte words after its first. */
static void put_extension(struct packet *p, unsigned int words)
{
	put_u8(p, 254);
	type_goes(p, 1, 1);
	put_u8(p, words);
}

/* Hop-by-hop or destination options: 8 * n + 6 bytes of padding. */
static void put_options(struct packet *p, const char *word, unsigned int n)
{
	put_extension(p, n);
	put_u8(p, 1);
	put_u8(p, n * 8 + 4);
	put_fill(p, 0, n * 8 + 4);
}

static void put_home_option(struct packet *p, const uint8_t *address)
{
	put_u8(p, HOME_ADDRESS);
	put_u8(p, 16);
	packet_put(p, address, 16);
}

/* An options header with n PadN or Pad1 options before its home address, or two with "homes". */
static void put_home(struct packet *p, const char *word, unsigned int n)
{
	bool two = strstr(word, "homes"), pad1 = strstr(word, "+pad1");
	unsigned int used = 2 + (pad1 ? 1 : 2) * n + HOME_LEN * (two ? 2 : 1);
	unsigned int pad = -used & 7;

	put_extension(p, (used + pad) / 8 - 1);
	for (unsigned int i = 0; i < n; i++)
		pad1 ? put_u8(p, 0) : put_u16(p, 0x0100);
	put_home_option(p, strstr(word, "home2") ? packet_home2 : packet_home);
	if (two)
		put_home_option(p, packet_home2);
	put_fill(p, 0, pad);
}

/* Behind n words of padding, a home address that runs 12 bytes past its header. */
static void put_home_short(struct packet *p, const char *word, unsigned int n)
{
	put_extension(p, n);
	if (n) {
		put_u8(p, 1);
		put_u8(p, n * 8 - 2);
		put_fill(p, 0, n * 8 - 2);
	}
	put_u8(p, HOME_ADDRESS);
	put_u8(p, 16);
	packet_put(p, packet_home, 4);
}

static void put_routing(struct packet *p, const char *word, unsigned int n)
{
	unsigned int words = strstr(word, "+len4") ? 4 : 2;

	put_extension(p, words);
	put_u8(p, strstr(word, "rt2") ? 2 : 0);
	put_u8(p, strstr(word, "+left0") ? 0 : strstr(word, "+left2") ? 2 : 1);
	put_fill(p, 0, 4);
	packet_put(p, packet_route, 16);
	put_fill(p, 0, (words - 2) * 8);
}

static void put_fragment(struct packet *p, const char *word, unsigned int n)
{
	unsigned int offset = strstr(word, "+off") ? 0x00b8 : 0;

	put_extension(p, strstr(word, "+reserved") ? 1 : 0);
	put_u16(p, offset | (strstr(word, "+mf") ? 1 : 0));
	put_fill(p, 7, 4);
}

/* An authentication header with n bytes of signature, a multiple of four. */
static void put_ah(struct packet *p, const char *word, unsigned int n)
{
	put_extension(p, (12 + n) / 4 - 2);
	put_fill(p, 0, 2);
	put_fill(p, 9, 8 + n);
}

static void put_ports(struct packet *p, const char *word, unsigned int n)
{
	packet_put(p, packet_ports, 4);
	if (!strcmp(word, "tcp")) {
		put_fill(p, 0, 8);
		put_u16(p, 0x5002);
		put_fill(p, 0, 6);
	} else {
		put_u16(p, 8);
		put_u16(p, 0);
	}
}

/* RFC 2784; each + is a field more, or what makes it another protocol. */
static void put_gre(struct packet *p, const char *word, unsigned int n)
{
	unsigned int flags = (strstr(word, "+sum") ? 0x8000 : 0) |
			     (strstr(word, "+key") ? 0x2000 : 0) |
			     (strstr(word, "+seq") ? 0x1000 : 0);

	put_u16(p, flags | (strstr(word, "+route") ? 0x4000 : 0) | (strstr(word, "+v1") ? 1 : 0));
	put_u16(p, 0xffff);
	type_goes(p, 2, 2);
	put_fill(p, 0x3c, 4 * (size_t)__builtin_popcount(flags));
}

static void put_udp_to(struct packet *p, unsigned int port)
{
	packet_put(p, packet_ports, 2);
	put_u16(p, port);
	put_u16(p, 100);
	put_u16(p, 0);
}

static void put_gre_udp(struct packet *p, const char *word, unsigned int n)
{
	put_udp_to(p, 4754);
	put_gre(p, word, n);
}

/* Ethernet is what follows, and nothing says so. */
static void put_vxlan(struct packet *p, const char *word, unsigned int n)
{
	put_udp_to(p, strstr(word, "+linux") ? 8472 : 4789);
	put_u8(p, strstr(word, "+novni") ? 0 : 8);
	put_fill(p, 0, 7);
}

static void put_gpe(struct packet *p, const char *word, unsigned int n)
{
	put_udp_to(p, 4790);
	put_u8(p, (strstr(word, "+nop") ? 0x08 : 0x0c) | (strstr(word, "+oam") ? 1 : 0) |
			  (strstr(word, "+v1") ? 0x10 : 0));
	put_u16(p, 0);
	put_u8(p, 4);
	type_goes(p, 1, PACKET_TYPE_GPE);
	put_fill(p, 0, 4);
}

/* With n words of options. */
static void put_geneve(struct packet *p, const char *word, unsigned int n)
{
	put_udp_to(p, 6081);
	put_u8(p, n | (strstr(word, "+v1") ? 0x40 : 0));
	put_u8(p, strstr(word, "+oam") ? 0x80 : 0);
	put_u16(p, 0xffff);
	type_goes(p, 2, 2);
	put_fill(p, 0x5e, 4 + 4 * (size_t)n);
}

static void put_ethernet(struct packet *p, const char *word, unsigned int n)
{
	put_fill(p, 2, 12);
	put_u16(p, 0xffff);
	type_goes(p, 2, 2);
}

/* An upper layer without ports: 24 bytes that start with a type which is no small number. */
static void put_upper(struct packet *p, const char *word, unsigned int n)
{
	put_u8(p, 135);
	put_fill(p, 0, 23);
}

static void put_zeros(struct packet *p, const char *word, unsigned int n)
{
	put_fill(p, 0, n);
}

static void put_ones(struct packet *p, const char *word, unsigned int n)
{
	put_fill(p, 0xff, n);
}

static void cut(struct packet *p, const char *word, unsigned int n)
{
	if (n > p->len)
		abort();
	p->len -= n;
}

/* The first entry of which the word is, or with + or : and more after it. */
static const struct {
	const char *word;
	int type; /* -1: not a header */
	void (*put)(struct packet *p, const char *word, unsigned int n);
} words_known[] = {
	{ "q", 0x8100, put_tag },
	{ "ad", 0x88a8, put_tag },
	{ "ip4", 0x0800, put_ipv4 },
	{ "ip6", 0x86dd, put_ipv6 },
	{ "arp", 0x0806, put_upper },
	{ "mpls", 0x8847, put_upper },
	{ "hbh+home", 0, put_home },
	{ "hbh", 0, put_options },
	{ "dst", 60, put_options },
	{ "homes", 60, put_home },
	{ "home+short", 60, put_home_short },
	{ "home", 60, put_home },
	{ "home2", 60, put_home },
	{ "rt0", 43, put_routing },
	{ "rt2", 43, put_routing },
	{ "frag", 44, put_fragment },
	{ "ah", 51, put_ah },
	{ "tcp", 6, put_ports },
	{ "udp", 17, put_ports },
	{ "icmp", 1, put_upper },
	{ "icmp6", 58, put_upper },
	{ "none", 59, put_zeros },
	{ "mobility", 135, put_upper },
	{ "sctp", 132, put_upper },
	{ "esp", 50, put_upper },
	{ "hip", 139, put_upper },
	{ "gre", 47, put_gre },
	{ "gre-udp", 17, put_gre_udp },
	{ "vxlan", 17, put_vxlan },
	{ "vxlan-gpe", 17, put_gpe },
	{ "geneve", 17, put_geneve },
	{ "eth", 0x6558, put_ethernet },
	{ "zeros", -1, put_zeros },
	{ "ff", -1, put_ones },
	{ "cut", -1, cut },
};

/* The number for an ethertype where there is but one byte: of IP, or of VXLAN-GPE. */
static unsigned int short_type(size_t bytes, unsigned int type)
{
	switch (type) {
	case 0x0800:
		return bytes == PACKET_TYPE_GPE ? 1 : 4;
	case 0x86dd:
		return bytes == PACKET_TYPE_GPE ? 2 : 41;
	case 0x6558:
		return bytes == PACKET_TYPE_GPE ? 3 : 97;
	}
	return type;
}

static void put_type(struct packet *p, unsigned int type)
{
	if (p->type_bytes == 2)
		p->bytes[p->type_at++] = (uint8_t)(type >> 8);
	else
		type = short_type(p->type_bytes, type);
	if (p->type_bytes)
		p->bytes[p->type_at] = (uint8_t)type;
	p->type_bytes = 0;
}

static void put_word(struct packet *p, const char *word)
{
	const char *number = strchr(word, ':');

	for (size_t i = 0; i < sizeof(words_known) / sizeof(words_known[0]); i++) {
		size_t len = strlen(words_known[i].word);

		if (strncmp(word, words_known[i].word, len) != 0 ||
		    (word[len] && !strchr("+:", word[len])))
			continue;
		if (words_known[i].type >= 0)
			put_type(p, (unsigned int)words_known[i].type);
		words_known[i].put(p, word, number ? (unsigned int)atoi(number + 1) : 0);
		return;
	}
	fprintf(stderr, "packet: no such word: %s\n", word);
	abort();
}

void packet_build(struct packet *p, const char *words)
{
	static const uint8_t macs[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	char copy[512], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", words);
	p->len = 0;
	packet_put(p, macs, sizeof(macs));
	put_u16(p, 0xffff);
	type_goes(p, 2, 2);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		put_word(p, word);
}
