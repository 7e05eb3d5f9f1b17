// SPDX-License-Identifier: MIT
/*
 * The verification suite that Microsoft publishes for RSS: five flows of each IP
 * version, with ports and without.  The programs give seven bits of a hash at a
 * time, so the key is shifted for the rest: bits 7..13 of the hash of a key are
 * bits 0..6 of the hash of that key moved seven bits towards its end.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "tests/bpf/lib/check.h"
#include "tests/bpf/lib/packet.h"
#include "tests/bpf/lib/reference.h"

struct vector {
	const char *dst, *src;
	uint16_t dst_port, src_port;
	uint32_t addresses, ports; /* the hash of the addresses; of the ports too */
};

static const struct vector vectors4[] = {
	{ "161.142.100.80", "66.9.149.187", 1766, 2794, 0x323e8fc2, 0x51ccc178 },
	{ "65.69.140.83", "199.92.111.2", 4739, 14230, 0xd718262a, 0xc626b0ea },
	{ "12.22.207.184", "24.19.198.95", 38024, 12898, 0xd2d0a5de, 0x5c2b394a },
	{ "209.142.163.6", "38.27.205.30", 2217, 48228, 0x82989176, 0xafc7327f },
	{ "202.188.127.2", "153.39.163.191", 1303, 44251, 0x5d1809c5, 0x10e828a2 },
};

static const struct vector vectors6[] = {
	{ "3ffe:2501:200:3::1", "3ffe:2501:200:1fff::7", 1766, 2794, 0x2cc18cd5, 0x40207d3d },
	{ "ff02::1", "3ffe:501:8::260:97ff:fe40:efab", 4739, 14230, 0x0f0c461c, 0xdde51bbf },
	{ "fe80::200:f8ff:fe21:67cf", "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 38024, 44251,
	  0x4b61e985, 0x02d1feef },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The packet of a vector; ports are zero bytes if it is not to have any. */
static void build(struct packet *p, const struct vector *v, int family, const char *protocol)
{
	char words[32];
	size_t len = family == AF_INET ? 4 : 16;
	uint16_t ports[2] = { htons(v->src_port), htons(v->dst_port) };
	uint8_t *addresses = p->bytes + (family == AF_INET ? 26 : 22);

	snprintf(words, sizeof(words), "%s %s", family == AF_INET ? "ip4" : "ip6", protocol);
	packet_build(p, words);
	assert_int_equal(inet_pton(family, v->src, addresses), 1);
	assert_int_equal(inet_pton(family, v->dst, addresses + len), 1);
	memcpy(addresses + 2 * len, ports, 4);
}

/* Rotates the key n bits towards its end: bit 0 of a hash then is what bit n was. */
static void key_shift(uint8_t *ret, const uint8_t *key, size_t n)
{
	memset(ret, 0, RSS_KEY_LEN);
	for (size_t i = 0; i < RSS_KEY_LEN * 8; i++) {
		size_t from = (i + RSS_KEY_LEN * 8 - n) % (RSS_KEY_LEN * 8);

		if (key[from / 8] >> (7 - from % 8) & 1)
			ret[i / 8] |= (uint8_t)(0x80 >> i % 8);
	}
}

/* All 32 bits of a packet's hash, seven at a time. */
static uint32_t whole_hash(const struct object *o, const struct packet *p, uint32_t types)
{
	const struct steering microsoft = check_steering();
	struct steering s = microsoft;
	uint32_t hash = 0;

	s.hash_types = types;
	for (size_t bit = 0; bit < 32; bit += 7) {
		int queue;

		key_shift(s.key, microsoft.key, bit);
		object_steer(o, &s);
		queue = object_queue(o, p->bytes, p->len);
		assert_in_range(queue, 0, RSS_TABLE_MAX - 1);
		hash |= (uint32_t)queue << bit;
	}
	return hash;
}

static void check_vector(const struct object *o, const struct vector *v, int family)
{
	uint32_t ip = family == AF_INET ? RSS_HASH_IPV4 : RSS_HASH_IPV6;
	struct packet p;

	build(&p, v, family, "tcp");
	assert_int_equal(whole_hash(o, &p, RSS_HASH_ALL), v->ports);
	assert_int_equal(whole_hash(o, &p, ip), v->addresses);
	build(&p, v, family, "udp");
	assert_int_equal(whole_hash(o, &p, RSS_HASH_ALL), v->ports);
	build(&p, v, family, "sctp");
	assert_int_equal(whole_hash(o, &p, RSS_HASH_ALL), v->addresses);
}

static void check_vectors(const struct object *o)
{
	for (size_t i = 0; i < COUNT(vectors4); i++)
		check_vector(o, &vectors4[i], AF_INET);
	for (size_t i = 0; i < COUNT(vectors6); i++)
		check_vector(o, &vectors6[i], AF_INET6);
}

static void check_reference(const struct vector *v, int family)
{
	const struct steering s = check_steering();
	size_t len = family == AF_INET ? 8 : 32;
	struct packet p;

	build(&p, v, family, "tcp");
	assert_int_equal(reference_toeplitz(s.key, p.bytes + (family == AF_INET ? 26 : 22), len),
			 v->addresses);
	assert_int_equal(
		reference_toeplitz(s.key, p.bytes + (family == AF_INET ? 26 : 22), len + 4),
		v->ports);
}

static void test_reference(void **state)
{
	for (size_t i = 0; i < COUNT(vectors4); i++)
		check_reference(&vectors4[i], AF_INET);
	for (size_t i = 0; i < COUNT(vectors6); i++)
		check_reference(&vectors6[i], AF_INET6);
}

static void test_fault_59_our_objects(void **state)
{
	for (const char *const *name = check_names; *name; name++) {
		struct object o;

		if (!check_open(&o, *name))
			skip();
		check_vectors(&o);
		object_unload(&o);
	}
}

static void test_qemu_object(void **state)
{
	struct object o;

	if (!check_open_qemu(&o))
		skip();
	check_vectors(&o);
	object_unload(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_fault_59_our_objects),
		cmocka_unit_test(test_qemu_object),
	};

	return cmocka_run_group_tests_name("vectors", tests, NULL, NULL);
}
