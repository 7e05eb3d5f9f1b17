/* SPDX-License-Identifier: MIT */
/* The user-space Toeplitz hash against Microsoft's published verification suite. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bpf/rss_maps.h"
#include "client/cli/rss/toeplitz.h"

struct vector {
	const char *src, *dst;
	uint32_t plain, tcp;
};

static const struct vector ipv4[] = {
	{ "66.9.149.187:2794", "161.142.100.80:1766", 0x323e8fc2, 0x51ccc178 },
	{ "199.92.111.2:14230", "65.69.140.83:4739", 0xd718262a, 0xc626b0ea },
	{ "24.19.198.95:12898", "12.22.207.184:38024", 0xd2d0a5de, 0x5c2b394a },
	{ "38.27.205.30:48228", "209.142.163.6:2217", 0x82989176, 0xafc7327f },
	{ "153.39.163.191:44251", "202.188.127.2:1303", 0x5d1809c5, 0x10e828a2 },
};

static const struct vector ipv6[] = {
	{ "[3ffe:2501:200:1fff::7]:2794", "[3ffe:2501:200:3::1]:1766", 0x2cc18cd5, 0x40207d3d },
	{ "[3ffe:501:8::260:97ff:fe40:efab]:14230", "[ff02::1]:4739", 0x0f0c461c, 0xdde51bbf },
	{ "[3ffe:1900:4545:3:200:f8ff:fe21:67cf]:44251", "[fe80::200:f8ff:fe21:67cf]:38024",
	  0x4b61e985, 0x02d1feef },
};

static struct flow flow_of(const struct vector *v, const char *proto)
{
	struct flow_end src, dst;
	struct flow flow;
	char reason[WHY_MAX];

	assert_int_equal(flow_end_parse(&src, v->src, reason), 0);
	assert_int_equal(flow_end_parse(&dst, v->dst, reason), 0);
	assert_int_equal(flow_join(&flow, &src, &dst, proto, reason), 0);
	return flow;
}

static void expect(const struct flow *flow, uint32_t enabled, uint32_t type, uint32_t hash)
{
	uint32_t got = 0xdeadbeef;

	assert_int_equal(toeplitz_flow_hash(flow, toeplitz_microsoft_key, enabled, &got), type);
	assert_int_equal(got, hash);
}

static void check(const struct vector *v, uint32_t ip_type, uint32_t tcp_type, uint32_t udp_type)
{
	struct flow tcp = flow_of(v, "tcp"), udp = flow_of(v, "udp");

	expect(&tcp, RSS_HASH_ALL, tcp_type, v->tcp);
	expect(&udp, RSS_HASH_ALL, udp_type, v->tcp);
	expect(&tcp, ip_type, ip_type, v->plain);
	expect(&udp, ip_type | tcp_type, ip_type, v->plain);
	expect(&tcp, RSS_HASH_ALL & ~(ip_type | tcp_type), 0, 0xdeadbeef);
}

static void microsoft_ipv4(void **state)
{
	for (size_t i = 0; i < sizeof(ipv4) / sizeof(ipv4[0]); i++)
		check(&ipv4[i], RSS_HASH_IPV4, RSS_HASH_TCPV4, RSS_HASH_UDPV4);
}

static void microsoft_ipv6(void **state)
{
	for (size_t i = 0; i < sizeof(ipv6) / sizeof(ipv6[0]); i++)
		check(&ipv6[i], RSS_HASH_IPV6, RSS_HASH_TCPV6, RSS_HASH_UDPV6);
}

/* The *_EX types are for packets with extension headers, which a flow has not. */
static void ex_types_do_nothing(void **state)
{
	struct flow flow = flow_of(&ipv6[0], "tcp");

	expect(&flow, RSS_HASH_IP_EX | RSS_HASH_TCP_EX | RSS_HASH_UDP_EX, 0, 0xdeadbeef);
}

static void other_protocol_has_no_ports(void **state)
{
	static const struct vector v = { "66.9.149.187", "161.142.100.80", 0x323e8fc2, 0 };
	struct flow flow = flow_of(&v, "none");

	expect(&flow, RSS_HASH_ALL, RSS_HASH_IPV4, v.plain);
	expect(&flow, RSS_HASH_TCPV4 | RSS_HASH_UDPV4, 0, 0xdeadbeef);
}

/* One set bit selects exactly the 32 key bits at its place. */
static void one_bit_is_a_key_window(void **state)
{
	uint8_t input[36] = { 0 };

	input[0] = 0x80;
	assert_int_equal(toeplitz_hash(toeplitz_microsoft_key, input, sizeof(input)), 0x6d5a56da);
	input[0] = 0x01;
	assert_int_equal(toeplitz_hash(toeplitz_microsoft_key, input, sizeof(input)), 0xad2b6d12);
	input[0] = 0;
	input[35] = 0x01; /* bits 287..318 of the key */
	assert_int_equal(toeplitz_hash(toeplitz_microsoft_key, input, sizeof(input)), 0xdf5600fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(microsoft_ipv4),
		cmocka_unit_test(microsoft_ipv6),
		cmocka_unit_test(ex_types_do_nothing),
		cmocka_unit_test(other_protocol_has_no_ports),
		cmocka_unit_test(one_bit_is_a_key_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
