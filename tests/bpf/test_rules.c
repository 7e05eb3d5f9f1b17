// SPDX-License-Identifier: MIT
/*
 * One hand-made packet for every parsing rule, through the objects of this tree and
 * through QEMU's.  A row with a difference is one where QEMU's program decides
 * otherwise, and says how; docs/qemu.md explains each by its name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bpf/lib/check.h"
#include "tests/bpf/lib/packet.h"
#include "tests/bpf/lib/reference.h"

/* What is hashed. */
enum {
	DEFAULT = 0, /* nothing: the default queue */
	ADDR = 1,    /* the addresses */
	PORTS = 2,   /* the ports too */
	HOME = 4,    /* the home address for the source */
	HOME2 = 8,   /* the second home address for the source */
	ROUTE = 16,  /* the routing header's address for the destination */
	UNKNOWN = 64 /* whatever happens to lie there, but not what is right */
};

struct row {
	const char *what;
	const char *packet; /* see lib/packet.h */
	uint32_t types;
	int want;
	const char *difference; /* NULL: QEMU's program wants the same */
	int qemu;
};

#define ALL  RSS_HASH_ALL
#define V4   (RSS_HASH_IPV4 | RSS_HASH_TCPV4 | RSS_HASH_UDPV4)
#define V6   (RSS_HASH_IPV6 | RSS_HASH_TCPV6 | RSS_HASH_UDPV6)
#define EX   (RSS_HASH_IP_EX | RSS_HASH_TCP_EX | RSS_HASH_UDP_EX)
#define BOTH (ADDR | PORTS)

static const struct row rows[] = {
	{ "IPv4 TCP", "ip4 tcp", ALL, BOTH },
	{ "IPv4 UDP", "ip4 udp", ALL, BOTH },
	{ "IPv4 UDP with payload", "ip4 udp zeros:100", ALL, BOTH },
	{ "IPv4 TCP, TCPv4 alone", "ip4 tcp", RSS_HASH_TCPV4, BOTH },
	{ "IPv4 UDP, UDPv4 alone", "ip4 udp", RSS_HASH_UDPV4, BOTH },
	{ "IPv4 TCP, UDPv4 and IPv4", "ip4 tcp", RSS_HASH_UDPV4 | RSS_HASH_IPV4, ADDR },
	{ "IPv4 UDP, TCPv4 and IPv4", "ip4 udp", RSS_HASH_TCPV4 | RSS_HASH_IPV4, ADDR },
	{ "IPv4 TCP, UDPv4 alone", "ip4 tcp", RSS_HASH_UDPV4, DEFAULT },
	{ "IPv4 UDP, TCPv4 alone", "ip4 udp", RSS_HASH_TCPV4, DEFAULT },
	{ "IPv4 TCP, no type", "ip4 tcp", 0, DEFAULT },
	{ "IPv4 TCP, IPv6's types", "ip4 tcp", V6 | EX, DEFAULT },
	{ "IPv4 ICMP", "ip4 icmp", ALL, ADDR },
	{ "IPv4 SCTP", "ip4 sctp", ALL, ADDR },
	{ "IPv4 ICMP, no IPv4 type", "ip4 icmp", RSS_HASH_TCPV4 | RSS_HASH_UDPV4, DEFAULT },
	{ "IPv4 with options", "ip4+opt tcp", ALL, BOTH },
	{ "IPv4 with options, UDP", "ip4+opt udp", ALL, BOTH },
	{ "IPv4 DF is no fragment", "ip4+df tcp", ALL, BOTH },
	{ "IPv4 first fragment", "ip4+mf tcp", ALL, ADDR },
	{ "IPv4 last fragment", "ip4+off udp", ALL, ADDR },
	{ "IPv4 fragment, TCPv4 alone", "ip4+mf tcp", RSS_HASH_TCPV4, DEFAULT },
	{ "IPv4 fragment of 5 TCP bytes", "ip4+mf tcp cut:15", ALL, ADDR },
	{ "IPv4 TCP header cut", "ip4 tcp cut:1", ALL, DEFAULT },
	{ "IPv4 TCP header cut to ports", "ip4 tcp cut:16", ALL, DEFAULT },
	{ "IPv4 TCP header cut, IPv4 alone", "ip4 tcp cut:1", RSS_HASH_IPV4, DEFAULT },
	{ "IPv4 TCP header missing", "ip4 tcp cut:20", ALL, DEFAULT },
	{ "IPv4 UDP header cut", "ip4 udp cut:1", ALL, DEFAULT },
	{ "IPv4 options cut, ICMP", "ip4+opt icmp cut:25", ALL, DEFAULT, "cut-header", ADDR },
	{ "IPv4 options cut, TCP", "ip4+opt tcp cut:21", ALL, DEFAULT },
	{ "IPv4 header of nothing else", "ip4 sctp cut:24", ALL, ADDR },
	{ "IPv4 by ethertype, version 6", "ip4+v6 tcp", ALL, BOTH },
	{ "ARP", "arp", ALL, DEFAULT },
	{ "MPLS", "mpls", ALL, DEFAULT },

	{ "IPv6 TCP", "ip6 tcp", ALL, BOTH },
	{ "IPv6 UDP", "ip6 udp", ALL, BOTH },
	{ "IPv6 TCP, TCPv6 alone", "ip6 tcp", RSS_HASH_TCPV6, BOTH },
	{ "IPv6 UDP, UDPv6 alone", "ip6 udp", RSS_HASH_UDPV6, BOTH },
	{ "IPv6 TCP, UDPv6 and IPv6", "ip6 tcp", RSS_HASH_UDPV6 | RSS_HASH_IPV6, ADDR },
	{ "IPv6 UDP, TCPv6 and IPv6", "ip6 udp", RSS_HASH_TCPV6 | RSS_HASH_IPV6, ADDR },
	{ "IPv6 TCP, UDPv6 alone", "ip6 tcp", RSS_HASH_UDPV6, DEFAULT },
	{ "IPv6 TCP, IPv4's types", "ip6 tcp", V4, DEFAULT },
	{ "IPv6 TCP, *_EX types alone", "ip6 tcp", EX, DEFAULT },
	{ "IPv6 SCTP", "ip6 sctp", ALL, ADDR },
	{ "IPv6 ESP", "ip6 esp", ALL, ADDR },
	{ "IPv6 HIP", "ip6 hip", ALL, ADDR },
	{ "IPv6 TCP header cut", "ip6 tcp cut:1", ALL, DEFAULT },
	{ "IPv6 TCP header cut, IPv6 alone", "ip6 tcp cut:1", RSS_HASH_IPV6, DEFAULT },
	{ "IPv6 UDP header cut", "ip6 udp cut:1", ALL, DEFAULT },
	{ "IPv6 ICMPv6", "ip6 icmp6", ALL, ADDR, "not-an-extension", DEFAULT },
	{ "IPv6 No Next Header", "ip6 none", ALL, ADDR, "not-an-extension", DEFAULT },
	{ "IPv6 No Next Header with bytes", "ip6 none zeros:32", ALL, ADDR, "not-an-extension",
	  DEFAULT },
	{ "IPv6 Mobility", "ip6 mobility", ALL, ADDR, "not-an-extension", DEFAULT },
	{ "IPv6 options, then ICMPv6", "ip6 dst icmp6", ALL, ADDR, "not-an-extension", DEFAULT },

	{ "hop-by-hop, TCP", "ip6 hbh tcp", V6, BOTH },
	{ "hop-by-hop, UDP", "ip6 hbh udp", V6, BOTH },
	{ "long hop-by-hop, TCP", "ip6 hbh:31 tcp", V6, BOTH },
	{ "destination options, TCP", "ip6 dst tcp", V6, BOTH },
	{ "routing type 0, TCP", "ip6 rt0 tcp", V6, BOTH },
	{ "all headers at once, TCP", "ip6 hbh dst rt0 dst tcp", V6, BOTH },
	{ "hop-by-hop, SCTP", "ip6 hbh sctp", V6, ADDR },
	{ "11 extension headers", "ip6 hbh dst dst dst dst dst dst dst dst dst dst tcp", V6, BOTH },
	{ "12 extension headers", "ip6 hbh dst dst dst dst dst dst dst dst dst dst dst tcp", V6,
	  ADDR },
	{ "12 extension headers, TCPv6 alone",
	  "ip6 hbh dst dst dst dst dst dst dst dst dst dst dst tcp", RSS_HASH_TCPV6, DEFAULT },
	{ "AH, TCP", "ip6 ah:12 tcp", V6, BOTH, "ah", ADDR },
	{ "AH, UDP", "ip6 ah:16 udp", RSS_HASH_UDPV6, BOTH, "ah", DEFAULT },
	{ "hop-by-hop, AH, options, TCP", "ip6 hbh ah:12 dst tcp", V6, BOTH, "ah", ADDR },
	{ "AH, TCP_EX", "ip6 ah:12 tcp", RSS_HASH_TCP_EX, BOTH, "ah", DEFAULT },

	{ "atomic fragment, TCP", "ip6 frag tcp", V6, ADDR },
	{ "first fragment, TCP", "ip6 frag+mf tcp", V6, ADDR },
	{ "first fragment, UDP cut", "ip6 frag+mf udp cut:4", V6, ADDR },
	{ "fragment, TCPv6 alone", "ip6 frag+mf tcp", RSS_HASH_TCPV6, DEFAULT },
	{ "fragment, TCP_EX alone", "ip6 frag+mf tcp", RSS_HASH_TCP_EX, DEFAULT },
	{ "fragment with home address", "ip6 home frag+mf tcp", ALL, ADDR | HOME },
	{ "first fragment goes on", "ip6 frag+mf home tcp", ALL, ADDR | HOME },
	{ "a fragment header's reserved byte is no length", "ip6 frag+reserved home tcp", ALL,
	  ADDR | HOME, "fragment-length", ADDR },
	{ "later fragment", "ip6 frag+off tcp", ALL, ADDR },
	{ "later fragment's payload is no header", "ip6 frag+off home tcp", ALL, ADDR,
	  "fragment-payload", ADDR | HOME },
	{ "later fragment's payload is no cut header", "ip6 frag+off dst cut:8 ff:8", ALL, ADDR,
	  "fragment-payload", DEFAULT },

	{ "home address, TCP", "ip6 home tcp", ALL, BOTH | HOME },
	{ "home address, UDP", "ip6 home udp", ALL, BOTH | HOME },
	{ "home address, SCTP", "ip6 home sctp", ALL, ADDR | HOME },
	{ "home address, base types alone", "ip6 home tcp", V6, BOTH },
	{ "home address, TCP_EX and TCPv6", "ip6 home tcp", RSS_HASH_TCP_EX | RSS_HASH_TCPV6,
	  BOTH | HOME },
	{ "home address, IP_EX and IPv6", "ip6 home tcp", RSS_HASH_IP_EX | RSS_HASH_IPV6,
	  ADDR | HOME },
	{ "home address, TCP_EX alone", "ip6 home tcp", RSS_HASH_TCP_EX, BOTH | HOME, "ex-types",
	  DEFAULT },
	{ "home address, UDP_EX alone", "ip6 home udp", RSS_HASH_UDP_EX, BOTH | HOME, "ex-types",
	  DEFAULT },
	{ "home address, IP_EX alone", "ip6 home sctp", RSS_HASH_IP_EX, ADDR | HOME, "ex-types",
	  DEFAULT },
	{ "IP_EX goes before TCPv6", "ip6 home tcp", RSS_HASH_IP_EX | V6, ADDR | HOME, "ex-types",
	  BOTH },
	{ "IP_EX goes before UDPv6", "ip6 hbh udp", RSS_HASH_IP_EX | V6, ADDR, "ex-types", BOTH },
	{ "TCP_EX is not UDP's", "ip6 home udp", RSS_HASH_TCP_EX | RSS_HASH_UDPV6, BOTH },
	{ "UDP_EX is not TCP's", "ip6 home tcp", RSS_HASH_UDP_EX | RSS_HASH_TCPV6, BOTH },
	{ "two home addresses in a header", "ip6 homes tcp", ALL, BOTH | HOME },
	{ "two headers with a home address", "ip6 home home2 tcp", ALL, BOTH | HOME2 },
	{ "a header without one after it", "ip6 home dst tcp", ALL, BOTH | HOME },
	{ "a header without one before it", "ip6 dst home tcp", ALL, BOTH | HOME },
	{ "a long header without one after it", "ip6 home dst:3 tcp", ALL, BOTH | HOME },
	{ "a home address in the middle of three", "ip6 dst:2 home dst:2 tcp", ALL, BOTH | HOME },
	{ "a home address in the first of three", "ip6 home dst:2 dst:2 tcp", ALL, BOTH,
	  "option-limit", BOTH | HOME },
	{ "a home address in hop-by-hop options is none", "ip6 hbh+home tcp", ALL, BOTH },
	{ "a home address after 7 options", "ip6 home:7 tcp", ALL, BOTH | HOME },
	{ "a home address after 8 options", "ip6 home:8 tcp", ALL, BOTH, "option-limit",
	  BOTH | HOME },
	{ "a home address after 30 options", "ip6 home:30 tcp", ALL, BOTH },
	{ "a home address after 3 options of one byte", "ip6 home+pad1:3 tcp", ALL, BOTH | HOME },
	{ "a home address past its header", "ip6 home+short tcp", ALL, BOTH, "home-outside",
	  UNKNOWN },
	{ "a home address past a header with room for one", "ip6 home+short:2 tcp", ALL, BOTH },

	{ "routing type 2, TCP", "ip6 rt2 tcp", ALL, BOTH | ROUTE },
	{ "routing type 2, UDP", "ip6 rt2 udp", ALL, BOTH | ROUTE },
	{ "routing type 2, SCTP", "ip6 rt2 sctp", ALL, ADDR | ROUTE },
	{ "routing type 2, base types alone", "ip6 rt2 tcp", V6, BOTH },
	{ "routing type 2, TCP_EX alone", "ip6 rt2 tcp", RSS_HASH_TCP_EX, BOTH | ROUTE, "ex-types",
	  DEFAULT },
	{ "routing type 2, none left", "ip6 rt2+left0 tcp", ALL, BOTH },
	{ "routing type 2, two left", "ip6 rt2+left2 tcp", ALL, BOTH },
	{ "routing type 2, too long", "ip6 rt2+len4 tcp", ALL, BOTH },
	{ "routing type 0 changes nothing", "ip6 rt0 tcp", ALL, BOTH },
	{ "home address and routing type 2", "ip6 home rt2 tcp", ALL, BOTH | HOME | ROUTE },
	{ "routing type 2 and home address", "ip6 rt2 home udp", ALL, BOTH | HOME | ROUTE },
	{ "both behind hop-by-hop", "ip6 hbh rt2 home tcp", ALL, BOTH | HOME | ROUTE },
	{ "both in a fragment", "ip6 rt2 home frag+mf tcp", ALL, ADDR | HOME | ROUTE },

	{ "extension header cut", "ip6 dst tcp cut:26", ALL, DEFAULT },
	{ "extension header cut to nothing", "ip6 dst tcp cut:28", ALL, DEFAULT },
	{ "hop-by-hop cut, SCTP", "ip6 hbh sctp cut:26", ALL, DEFAULT, "cut-header", ADDR },
	{ "long hop-by-hop cut, SCTP", "ip6 hbh:9 sctp cut:60", ALL, DEFAULT, "cut-header", ADDR },
	{ "fragment header cut", "ip6 frag sctp cut:28", ALL, DEFAULT, "cut-header", ADDR },
	{ "routing header cut", "ip6 rt0 sctp cut:32", ALL, DEFAULT, "cut-header", ADDR },
	{ "routing type 2 cut in its address", "ip6 rt2 sctp cut:32", ALL, DEFAULT },
	{ "home address cut", "ip6 home sctp cut:32", ALL, DEFAULT },
	{ "TCP cut behind options", "ip6 dst tcp cut:1", ALL, DEFAULT },
	{ "UDP cut behind hop-by-hop", "ip6 hbh udp cut:1", ALL, DEFAULT },
};

static struct object object;

/* The bytes that `want` says are hashed. */
static size_t input_of(const struct row *row, int want, uint8_t *input)
{
	bool v4 = strstr(row->packet, "ip4");
	size_t len = v4 ? 4 : 16;
	const uint8_t *src = v4		    ? packet_src4
			     : want & HOME  ? packet_home
			     : want & HOME2 ? packet_home2
					    : packet_src6;
	const uint8_t *dst = v4 ? packet_dst4 : want & ROUTE ? packet_route : packet_dst6;

	memcpy(input, src, len);
	memcpy(input + len, dst, len);
	memcpy(input + 2 * len, packet_ports, 4);
	return 2 * len + (want & PORTS ? 4 : 0);
}

/* The queue is the table's entry, so the hash's low 7 bits; see check_steering(). */
static int queue_of(const struct row *row, int want, const struct steering *s)
{
	uint8_t input[36];
	size_t len = input_of(row, want, input);

	if (want == DEFAULT)
		return CHECK_DEFAULT_QUEUE;
	return (int)(reference_toeplitz(s->key, input, len) % RSS_TABLE_MAX);
}

static int run_row(const struct row *row, struct steering *s)
{
	struct packet p;

	*s = check_steering();
	s->hash_types = row->types;
	object_steer(&object, s);
	packet_build(&p, row->packet);
	return object_queue(&object, p.bytes, p.len);
}

static void test_row(void **state)
{
	const struct row *row = *state;
	struct steering s;
	int got = run_row(row, &s);

	assert_int_equal(got, queue_of(row, row->want, &s));
}

static void test_row_of_qemu(void **state)
{
	const struct row *row = *state;
	struct steering s;
	int got = run_row(row, &s);

	if (row->difference && row->qemu == UNKNOWN)
		assert_int_not_equal(got, queue_of(row, row->want, &s));
	else
		assert_int_equal(got, queue_of(row, row->difference ? row->qemu : row->want, &s));
}

/* The reference, which the differential run relies on, agrees with each row. */
static void test_row_of_reference(void **state)
{
	const struct row *row = *state;
	struct steering s = check_steering();
	struct reference_verdict v;
	struct packet p;

	s.hash_types = row->types;
	packet_build(&p, row->packet);
	reference_steer(&s, p.bytes, p.len, &v);
	assert_int_equal(v.queue, queue_of(row, row->want, &s));
	for (int i = 0; row->difference && i < DIFF_COUNT; i++)
		if (!strcmp(row->difference, reference_difference_names[i]))
			assert_true(v.differences & 1u << i);
}

static void test_skipped(void **state)
{
	skip();
}

static int unload(void **state)
{
	object_unload(&object);
	return 0;
}

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* One test a row, named `prefix: what`. */
static int run_rows(const char *prefix, CMUnitTestFunction test, CMFixtureFunction done)
{
	static struct CMUnitTest tests[ROWS];
	static char names[ROWS][128];

	for (size_t i = 0; i < ROWS; i++) {
		snprintf(names[i], sizeof(names[i]), "%s: %s", prefix, rows[i].what);
		tests[i] = (struct CMUnitTest){ names[i], test, NULL, NULL, (void *)&rows[i] };
	}
	return _cmocka_run_group_tests(prefix, tests, ROWS, NULL, done);
}

/* docs/qemu.md explains each difference, and a row above or in test_tap.c shows it. */
static void test_differences_are_documented(void **state)
{
	static char page[100000];
	FILE *f = fopen("docs/qemu.md", "re");

	assert_non_null(f);
	page[fread(page, 1, sizeof(page) - 1, f)] = '\0';
	fclose(f);
	for (int i = 0; i < DIFF_COUNT; i++) {
		char row[64];

		snprintf(row, sizeof(row), "\n| %s |", reference_difference_names[i]);
		if (!strstr(page, row))
			fail_msg("docs/qemu.md does not explain %s", reference_difference_names[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_differences_are_documented),
	};
	int failed = cmocka_run_group_tests_name("documents", tests, NULL, NULL);

	failed += run_rows("reference", test_row_of_reference, NULL);
	for (const char *const *name = check_names; *name; name++)
		failed += run_rows(*name, check_open(&object, *name) ? test_row : test_skipped,
				   unload);
	failed += run_rows("QEMU", check_open_qemu(&object) ? test_row_of_qemu : test_skipped,
			   unload);
	return failed;
}
