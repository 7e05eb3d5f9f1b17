// SPDX-License-Identifier: MIT
/*
 * What only a real tap shows: tags in the data and in the skb's metadata, headers in
 * paged data, and which queue a packet comes out of.  In a network namespace of its own.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/bpf/lib/check.h"
#include "tests/bpf/lib/packet.h"
#include "tests/bpf/lib/reference.h"
#include "tests/bpf/lib/tap.h"

enum sender { LINEAR, PAGED, VLAN };

struct row {
	const char *what;
	const char *packet;
	enum sender sender;
	const char *difference; /* QEMU's program takes the default queue; NULL: the same */
};

static const struct row rows[] = {
	{ "TCP/IPv4", "ip4 tcp" },
	{ "UDP/IPv6", "ip6 udp" },
	{ "short UDP", "ip4 udp" },
	{ "ICMP", "ip4 icmp" },
	{ "ARP", "arp" },
	{ "TCP header cut", "ip4 tcp cut:1" },
	{ "UDP header cut", "ip6 udp cut:1" },
	{ "IPv4 header cut", "ip4 sctp cut:25" },
	{ "IPv6 header cut", "ip6 sctp cut:25" },
	{ "ethernet header alone", "ip4 sctp cut:44" },
	{ "options", "ip4+opt tcp" },
	{ "extension headers", "ip6 hbh rt2 home tcp" },
	{ "fragment", "ip6 home frag+mf tcp" },

	{ "802.1Q", "q ip4 tcp" },
	{ "802.1Q, IPv6", "q ip6 udp" },
	{ "802.1Q, fragment", "q ip4+mf tcp" },
	{ "802.1Q, extension headers", "q ip6 home tcp" },
	{ "802.1Q, ARP", "q arp" },
	{ "802.1Q, payload", "q ip4 udp zeros:20" },
	{ "802.1Q, IPv6, payload", "q ip6 tcp zeros:20" },
	{ "802.1Q, IPv6, TCP cut", "q ip6 tcp cut:1" },
	{ "802.1Q, fragment, payload", "q ip4+off tcp zeros:20" },
	{ "802.1Q, options, payload", "q ip4+opt tcp zeros:20" },
	{ "802.1Q, 802.1ad, payload", "q ad ip4 tcp zeros:20", LINEAR, "vlan" },
	{ "802.1Q cut", "q ip4 tcp cut:42" },
	{ "802.1Q, TCP cut", "q ip4 tcp cut:1" },
	{ "802.1ad", "ad ip4 tcp", LINEAR, "vlan" },
	{ "802.1ad, IPv6", "ad ip6 udp", LINEAR, "vlan" },
	{ "802.1ad, 802.1Q", "ad q ip4 tcp" },
	{ "802.1ad, 802.1Q, IPv6", "ad q ip6 udp" },
	{ "802.1Q, 802.1Q", "q q ip4 tcp", LINEAR, "vlan" },
	{ "802.1Q, 802.1ad", "q ad ip6 tcp", LINEAR, "vlan" },
	{ "802.1ad, 802.1ad", "ad ad ip4 udp" },
	{ "three tags", "ad q q ip4 tcp" },

	{ "GRE", "ip4 gre ip6 tcp" },
	{ "GRE, inner TCP header cut", "ip4 gre ip6 tcp cut:1" },
	{ "802.1Q, VXLAN", "q ip4 vxlan eth ip6 udp" },
	{ "802.1Q, Geneve, 802.1Q", "q ip6 geneve:3 eth q ip4 tcp" },
	{ "tag in metadata, IPIP", "ip6 dst ip4 udp", VLAN },
	{ "paged VXLAN", "ip4 vxlan eth ip6 tcp zeros:4500", PAGED, "paged" },

	{ "tag in metadata", "ip4 tcp", VLAN },
	{ "tag in metadata, IPv6", "ip6 udp", VLAN },
	{ "tag in metadata, one in the data", "q ip4 tcp", VLAN },
	{ "tag in metadata, two in the data", "ad q ip6 tcp", VLAN },

	{ "paged TCP/IPv4", "ip4 tcp zeros:4500", PAGED, "paged" },
	{ "paged UDP/IPv6", "ip6 udp zeros:4500", PAGED, "paged" },
	{ "paged ICMP", "ip4 icmp zeros:4500", PAGED, "paged" },
	{ "paged options", "ip4+opt tcp zeros:4500", PAGED, "paged" },
	{ "paged fragment", "ip4+mf udp zeros:4500", PAGED, "paged" },
	{ "paged extension headers", "ip6 hbh rt2 home tcp zeros:4500", PAGED, "paged" },
	{ "paged, 802.1Q", "q ip4 tcp zeros:4500", PAGED, "paged" },
	{ "paged, two tags", "ad q ip6 udp zeros:4500", PAGED, "paged" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static struct object object;
static uint32_t tunnels; /* that the object knows */
static struct tap tap;

/* Seven queues for hashed packets, the last for the others. */
static struct steering steering(void)
{
	struct steering s = check_steering();

	s.hash_types |= tunnels;
	s.default_queue = TAP_QUEUES - 1;
	for (uint16_t i = 0; i < RSS_TABLE_MAX; i++)
		s.table[i] = i % (TAP_QUEUES - 1);
	return s;
}

/* Changes the packet's flow: the last byte of each source, if it has one. */
static void next_flow(struct packet *p)
{
	uint8_t *v4 = memmem(p->bytes, p->len, packet_src4, 3);
	uint8_t *v6 = memmem(p->bytes, p->len, packet_src6, 15);

	if (v4)
		v4[3]++;
	if (v6)
		v6[15]++;
}

/* Several flows, so that no queue is right by chance. */
static void check_row(const struct row *row, bool qemu)
{
	const int senders[] = {
		[LINEAR] = tap.sender, [PAGED] = tap.paged_sender, [VLAN] = tap.vlan_sender
	};
	const struct steering s = steering();
	struct reference_verdict v;
	struct packet p;

	object_steer(&object, &s);
	packet_build(&p, row->packet);
	for (int flow = 0; flow < 8; flow++) {
		reference_steer(&s, p.bytes, p.len, &v);
		assert_int_equal(tap_queue(&tap, senders[row->sender], p.bytes, p.len),
				 qemu && row->difference ? s.default_queue : v.queue);
		next_flow(&p);
	}
}

static void test_row(void **state)
{
	check_row(*state, false);
}

static void test_row_of_qemu(void **state)
{
	check_row(*state, true);
}

static void test_skipped(void **state)
{
	skip();
}

static int unload(void **state)
{
	tap_steer(&tap, -1);
	object_unload(&object);
	return 0;
}

static int run_rows(const char *prefix, CMUnitTestFunction test)
{
	static struct CMUnitTest tests[ROWS];
	static char names[ROWS][128];

	if (test != test_skipped && tap_steer(&tap, object.prog))
		return 1;
	for (size_t i = 0; i < ROWS; i++) {
		snprintf(names[i], sizeof(names[i]), "%s: %s", prefix, rows[i].what);
		tests[i] = (struct CMUnitTest){ names[i], test, NULL, NULL, (void *)&rows[i] };
	}
	return _cmocka_run_group_tests(prefix, tests, ROWS, NULL, unload);
}

int main(void)
{
	int failed = 0;

	if (!geteuid())
		tap_open(&tap);
	for (const char *const *name = check_names; *name; name++) {
		tunnels = strstr(*name, "tunnel") ? RSS_TUNNEL_ALL : 0;
		failed += run_rows(*name, check_open(&object, *name) ? test_row : test_skipped);
	}
	tunnels = 0;
	failed += run_rows("QEMU", check_open_qemu(&object) ? test_row_of_qemu : test_skipped);
	tap_close(&tap);
	return failed;
}
