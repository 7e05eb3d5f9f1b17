// SPDX-License-Identifier: MIT
/*
 * The symmetric key, 6d:5a repeated, on a real tap: both directions of a flow come out of one
 * queue, and so do those of a flow inside a tunnel of every kind, whose ends are swapped as well.
 */
#include <stdio.h>
#include <string.h>

#include "tests/bpf/lib/check.h"
#include "tests/bpf/lib/packet.h"
#include "tests/bpf/lib/tap.h"

#define FLOWS 16

static const char *const outers[] = {
	"",
	"ip4 gre",
	"ip4 gre+sum+key+seq",
	"ip6 gre",
	"ip4",
	"ip6",
	"ip4 gre+key eth",
	"ip4 gre-udp",
	"ip6 gre-udp",
	"ip4 vxlan eth",
	"ip6 vxlan+linux eth",
	"ip4 geneve:2 eth",
	"ip6 geneve:0",
	"ip4 vxlan-gpe",
	"ip6 vxlan-gpe eth",
};
static const char *const flows[] = { "ip4 tcp", "ip4 udp", "ip6 tcp", "ip6 udp" };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const names[] = { "rss-tunnel", "rss-tunnel-stats" };
static struct object objects[COUNT(names)];
static struct tap tap;

static void swap(uint8_t *a, uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const uint8_t byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

/* Of the network header at ip. */
static void swap_addresses(uint8_t *ip)
{
	if (*ip >> 4 == 4)
		swap(ip + 12, ip + 16, 4);
	else
		swap(ip + 8, ip + 24, 16);
}

static uint8_t *ports_of(uint8_t *ip)
{
	return ip + (*ip >> 4 == 4 ? 20 : 40);
}

/* A packet of some flow; returns its inner network header. */
static uint8_t *flow_build(struct packet *p, const char *outer, const char *flow, uint32_t *random)
{
	struct packet inner;
	char words[64];
	uint8_t *ip;

	packet_build(&inner, flow);
	snprintf(words, sizeof(words), "%s %s", outer, flow);
	packet_build(p, words);
	ip = p->bytes + p->len - (inner.len - 14);
	for (uint8_t *at = ip + (*ip >> 4 == 4 ? 12 : 8); at < ports_of(ip) + 4; at++)
		*at = (uint8_t)check_random(random);
	return ip;
}

/* The same flow's answer, in the same tunnel's other direction. */
static void flow_turn(struct packet *p, uint8_t *ip)
{
	swap_addresses(ip);
	swap(ports_of(ip), ports_of(ip) + 2, 2);
	if (ip != p->bytes + 14)
		swap_addresses(p->bytes + 14);
}

/* How many flows had both directions on one queue; which queues there were. */
static unsigned int flows_together(const char *outer, const char *flow, unsigned int *queues)
{
	uint32_t random = 1 + (uint32_t)strlen(outer);
	unsigned int together = 0;

	for (unsigned int i = 0; i < FLOWS; i++) {
		struct packet p;
		uint8_t *ip = flow_build(&p, outer, flow, &random);
		const int there = tap_queue(&tap, tap.sender, p.bytes, p.len);
		int back;

		flow_turn(&p, ip);
		back = tap_queue(&tap, tap.sender, p.bytes, p.len);
		assert_in_range(there, 0, TAP_QUEUES - 2); /* neither lost nor of no hash */
		assert_in_range(back, 0, TAP_QUEUES - 2);
		together += there == back;
		*queues |= 1u << there;
	}
	return together;
}

static void steer(const struct object *o, bool symmetric)
{
	struct steering s = check_steering();

	s.hash_types |= RSS_TUNNEL_ALL;
	s.default_queue = TAP_QUEUES - 1;
	for (uint16_t i = 0; i < RSS_TABLE_MAX; i++)
		s.table[i] = i % (TAP_QUEUES - 1);
	for (size_t i = 0; symmetric && i < sizeof(s.key); i++)
		s.key[i] = i % 2 ? 0x5a : 0x6d;
	object_steer(o, &s);
	assert_int_equal(tap_steer(&tap, o->prog), 0);
}

static void check_object(const struct object *o)
{
	for (size_t i = 0; i < COUNT(outers); i++) {
		for (size_t j = 0; j < COUNT(flows); j++) {
			unsigned int queues = 0, any = 0;

			steer(o, true);
			assert_int_equal(flows_together(outers[i], flows[j], &queues), FLOWS);
			assert_true(__builtin_popcount(queues) > 3);
			steer(o, false); /* and it is the key that does it */
			assert_true(flows_together(outers[i], flows[j], &any) < FLOWS / 2);
		}
	}
}

static void test_both_directions(void **state)
{
	const struct object *o = *state;

	if (o->prog < 0)
		skip();
	check_object(o);
}

int main(void)
{
	static struct CMUnitTest tests[COUNT(names)];
	bool root = true;

	for (size_t i = 0; i < COUNT(names); i++) {
		root = check_open(&objects[i], names[i]);
		if (!root)
			objects[i].prog = -1;
		tests[i] = (struct CMUnitTest){ names[i], test_both_directions, NULL, NULL,
						&objects[i] };
	}
	if (root)
		tap_open(&tap);
	return _cmocka_run_group_tests("symmetric", tests, COUNT(names), NULL, NULL);
}
