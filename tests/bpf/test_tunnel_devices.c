// SPDX-License-Identifier: MIT
/*
 * Packets of the kernel's own tunnel devices, through a real tap: rss-tunnel sends each where the
 * reference says, by the packet inside, and many flows to many queues.  A device that this kernel
 * does not have is skipped here; test_tunnel_kernel.py runs this in a guest whose kernel has all.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/check.h"
#include "lib/reference.h"
#include "lib/tap.h"
#include "proto/util/fd.h"

#define FLOWS 32

#define V4     "local 192.0.2.1 remote 192.0.2.2"
#define V6     "local 2001:db8::1 remote 2001:db8::2"
#define FOU    " encap fou encap-sport 7000 encap-dport 4754"
#define INNER4 1
#define INNER6 2
#define BOTH   (INNER4 | INNER6)
#define SPREAD 4 /* by its outer header as well */

struct row {
	const char *what; /* and what is one of these devices: "ip link add t0 type ..." */
	const char *link;
	uint32_t tunnel; /* all others are off */
	int inner;
};

static const struct row rows[] = {
	{ "gre", "gre " V4, RSS_TUNNEL_GRE_2784, BOTH },
	{ "gre with a checksum", "gre " V4 " csum", RSS_TUNNEL_GRE_2784, BOTH },
	{ "gre with a key", "gre " V4 " key 7", RSS_TUNNEL_GRE_2890, BOTH },
	{ "gre with all fields", "gre " V4 " csum key 7 seq", RSS_TUNNEL_GRE_2890, BOTH },
	{ "gretap", "gretap " V4, RSS_TUNNEL_GRE_2784, BOTH },
	{ "gretap with a key", "gretap " V4 " key 7", RSS_TUNNEL_NVGRE, BOTH },
	{ "ip6gre", "ip6gre " V6, RSS_TUNNEL_GRE_7676, BOTH },
	{ "ip6gretap", "ip6gretap " V6, RSS_TUNNEL_GRE_7676, BOTH },
	{ "ipip", "ipip " V4, RSS_TUNNEL_IPIP, INNER4 },
	{ "sit", "sit " V4, RSS_TUNNEL_IPIP, INNER6 },
	{ "ip6tnl", "ip6tnl mode any " V6, RSS_TUNNEL_IPIP, BOTH },
	{ "gre in UDP", "gre " V4 FOU, RSS_TUNNEL_GRE_UDP, BOTH },
	{ "vxlan", "vxlan id 5 dstport 4789 " V4, RSS_TUNNEL_VXLAN, BOTH | SPREAD },
	{ "vxlan, Linux's port", "vxlan id 5 dstport 8472 " V4, RSS_TUNNEL_VXLAN, BOTH | SPREAD },
	{ "vxlan over IPv6", "vxlan id 5 dstport 4789 " V6, RSS_TUNNEL_VXLAN, BOTH | SPREAD },
	{ "geneve", "geneve id 5 remote 192.0.2.2", RSS_TUNNEL_GENEVE, BOTH | SPREAD },
	{ "geneve over IPv6", "geneve id 5 remote 2001:db8::2", RSS_TUNNEL_GENEVE, BOTH | SPREAD },
	{ "vxlan-gpe", "vxlan dstport 4790 gpe external", RSS_TUNNEL_VXLAN_GPE, INNER4 | SPREAD },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static struct object object;
static struct tap tap;

static bool run(const char *before, const char *after)
{
	char command[256];

	snprintf(command, sizeof(command), "%s%s 2>&1", before, after);
	return !system(command);
}

static void must(const char *command)
{
	if (run(command, ""))
		return;
	printf("Bail out! %s\n", command);
	exit(1);
}

/* The tap's own addresses: the tunnels' outer ones. */
static void tap_address(void)
{
	must("echo 0 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
	must("echo 0 >/proc/sys/net/ipv6/conf/tap0/disable_ipv6");
	must("/sbin/ip addr add 192.0.2.1/24 dev tap0");
	must("/sbin/ip -6 addr add 2001:db8::1/64 dev tap0 nodad");
}

/* False: this kernel has no such device. */
static bool device_add(const struct row *row)
{
	if (!run("exec >/dev/null; /sbin/ip link add t0 type ", row->link))
		return false;
	must("/sbin/ip link set t0 up arp off");
	if (row->inner & INNER4)
		must("/sbin/ip addr add 10.9.0.1/24 dev t0");
	if (row->inner & INNER6)
		must("/sbin/ip -6 addr add fd09::1/64 dev t0 nodad");
	if (strstr(row->link, "external"))
		must("/sbin/ip route replace 10.9.0.2 encap ip id 6 dst 192.0.2.2 dev t0");
	return true;
}

/* Sends one packet of a flow into the tunnel; its payload names the flow. */
static void flow_send(int family, unsigned int flow, const char *mark)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct sockaddr_in four = { .sin_family = AF_INET };
	_cleanup_fd_ int sock = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr *to = family == AF_INET ? (void *)&four : (void *)&six;
	socklen_t len = family == AF_INET ? sizeof(four) : sizeof(six);

	four.sin_port = six.sin6_port = htons((uint16_t)(20000 + flow));
	assert_int_equal(bind(sock, to, len), 0);
	four.sin_port = six.sin6_port = htons(4242);
	inet_pton(AF_INET, "10.9.0.2", &four.sin_addr);
	inet_pton(AF_INET6, "fd09::2", &six.sin6_addr);
	assert_int_equal(sendto(sock, mark, strlen(mark), 0, to, len), strlen(mark));
}

/* Reads frames until one has the mark; which queue it came from, or -1 within some seconds. */
static int frame_read(const char *mark, uint8_t *frame, size_t size, size_t *ret_len)
{
	struct pollfd fds[TAP_QUEUES];

	for (int i = 0; i < TAP_QUEUES; i++)
		fds[i] = (struct pollfd){ .fd = tap.queues[i], .events = POLLIN };
	while (poll(fds, TAP_QUEUES, 20000) > 0) {
		for (int i = 0; i < TAP_QUEUES; i++) {
			ssize_t n = fds[i].revents ? read(fds[i].fd, frame, size) : -1;

			*ret_len = n > 0 ? (size_t)n : 0;
			if (n > 0 && memmem(frame, *ret_len, mark, strlen(mark)))
				return i;
		}
	}
	return -1;
}

/* How many queues the flows of a family come out of, each the one that the reference says. */
static int flows_check(const struct steering *s, int family, bool inner)
{
	uint8_t frame[TAP_MTU + 64];
	unsigned int queues = 0;

	for (unsigned int flow = 0; flow < FLOWS; flow++) {
		struct reference_verdict v;
		char mark[32];
		size_t len = 0;
		int queue;

		snprintf(mark, sizeof(mark), "the flow number %u.", flow);
		flow_send(family, flow, mark);
		queue = frame_read(mark, frame, sizeof(frame), &len);
		reference_steer(s, frame, len, &v);
		assert_int_equal(v.inner, inner);
		assert_int_equal(queue, v.queue);
		queues |= 1u << queue;
	}
	return __builtin_popcount(queues);
}

static void family_check(const struct row *row, int family)
{
	struct steering s = check_steering();
	/* With a key and Ethernet inside, NVGRE is GRE as well. */
	uint32_t also = row->tunnel == RSS_TUNNEL_NVGRE ? RSS_TUNNEL_GRE_2890 : 0;
	int inside, outside;

	for (uint16_t i = 0; i < RSS_TABLE_MAX; i++)
		s.table[i] = i % TAP_QUEUES;
	s.hash_types = RSS_HASH_ALL | (RSS_TUNNEL_ALL & ~(row->tunnel | also));
	object_steer(&object, &s);
	outside = flows_check(&s, family, false);
	s.hash_types = RSS_HASH_ALL | row->tunnel;
	object_steer(&object, &s);
	inside = flows_check(&s, family, true);
	printf("# %s, IPv%d inside: %d flows in %d queues by the outer header, %d by the inner\n",
	       row->what, family == AF_INET ? 4 : 6, FLOWS, outside, inside);
	assert_true(inside > TAP_QUEUES / 2);
	assert_true(row->inner & SPREAD ? outside > 1 : outside == 1);
}

static void test_row(void **state)
{
	const struct row *row = *state;

	if (!device_add(row)) {
		printf("# SKIP: this kernel has no device %s\n", row->what);
		skip();
	}
	if (row->inner & INNER4)
		family_check(row, AF_INET);
	if (row->inner & INNER6)
		family_check(row, AF_INET6);
}

static int device_remove(void **state)
{
	run("exec >/dev/null; /sbin/ip link del t0", "");
	return 0;
}

static void test_skipped(void **state)
{
	skip();
}

int main(void)
{
	bool root = check_open(&object, "rss-tunnel");
	static struct CMUnitTest tests[ROWS];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (root) {
		tap_open(&tap);
		tap_address();
		assert_int_equal(tap_steer(&tap, object.prog), 0);
	}
	for (size_t i = 0; i < ROWS; i++)
		tests[i] = (struct CMUnitTest){ rows[i].what, root ? test_row : test_skipped, NULL,
						device_remove, (void *)&rows[i] };
	return _cmocka_run_group_tests("tunnel devices", tests, ROWS, NULL, NULL);
}
