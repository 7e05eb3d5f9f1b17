// SPDX-License-Identifier: MIT
/*
 * A hundred thousand random packets under random keys, tables, lengths and hash
 * types: the objects of this tree against the plain reference, packet for packet;
 * and against QEMU's object, but for the differences that the reference names.
 * RSSB_SEED repeats a run, RSSB_PACKETS makes it longer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bpf/lib/check.h"
#include "tests/bpf/lib/packet.h"
#include "tests/bpf/lib/reference.h"

#define PACKETS		 100000
#define PACKETS_A_CONFIG 10

static uint32_t random_state;

static uint32_t below(uint32_t n)
{
	return check_random(&random_state) % n;
}

static uint32_t number_from(const char *name, uint32_t otherwise)
{
	const char *value = getenv(name);

	return value ? (uint32_t)strtoul(value, NULL, 0) : otherwise;
}

static const char *pick(const char *const *words, size_t n)
{
	return words[below((uint32_t)n)];
}
#define PICK(words) pick(words, sizeof(words) / sizeof((words)[0]))

static void append(char *words, const char *word)
{
	strcat(strcat(words, " "), word);
}

static void append_upper(char *words)
{
	static const char *const usual[] = { "tcp", "udp" };
	static const char *const other[] = { "icmp", "icmp6", "none", "mobility",
					     "sctp", "esp",   "hip" };

	append(words, below(4) ? PICK(usual) : PICK(other));
}

static void append_ipv4(char *words)
{
	static const char *const heads[] = { "ip4",    "ip4",	  "ip4",      "ip4+df", "ip4+opt",
					     "ip4+mf", "ip4+off", "ip4+ihl4", "ip4+v6" };

	append(words, PICK(heads));
	append_upper(words);
}

static void append_ipv6(char *words)
{
	static const char *const extensions[] = {
		"hbh",		 "hbh:3",     "dst",	  "dst:4",	"rt0",	    "rt2",
		"rt2+left0",	 "rt2+left2", "rt2+len4", "frag",	"frag+mf",  "frag+off",
		"ah:12",	 "home",      "home2",	  "homes",	"frag+off", "frag+off",
		"frag+reserved", "home:3",    "home:9",	  "home+short", "hbh+home",
	};
	uint32_t n = below(2) ? 0 : below(8) ? below(5) : below(14);

	append(words, "ip6");
	while (n--)
		append(words, PICK(extensions));
	append_upper(words);
}

static void append_network(char *words)
{
	if (below(2))
		append_ipv4(words);
	else
		append_ipv6(words);
}

/* The network headers of append_network(), without what it ends in. */
static void append_outer(char *words)
{
	append_network(words);
	*strrchr(words, ' ') = '\0';
}

/* A tunnel, as its header says or not, and what is inside; now and then a tunnel again. */
static void append_tunnel(char *words, int level)
{
	static const char *const around_ip[] = {
		"",	   "gre",	   "gre+key",  "gre+seq",     "gre+sum",   "gre+key+seq",
		"gre-udp", "geneve",	   "geneve:3", "gre-udp+key", "vxlan-gpe", "vxlan-gpe",
		"gre+v1",  "gre-udp+route"
	};
	static const char *const around_ethernet[] = {
		"vxlan",       "vxlan",	      "vxlan+linux",   "gre",	       "gre+key",
		"gre+sum+key", "gre-udp",     "gre-udp+key",   "geneve",       "geneve:63",
		"vxlan-gpe",   "vxlan+novni", "vxlan-gpe+nop", "vxlan-gpe+v1", "vxlan-gpe+oam",
		"geneve+v1",   "geneve+oam",  "gre+route",     "gre-udp+v1",
	};
	bool ethernet = below(2);

	append_outer(words);
	append(words, ethernet ? PICK(around_ethernet) : PICK(around_ip));
	if (ethernet)
		append(words, below(4) ? "eth" : below(2) ? "eth q" : "eth ad q");
	if (!below(8))
		append(words, "arp");
	else if (!below(8) && level < 1)
		append_tunnel(words, level + 1);
	else
		append_network(words);
}

/* Everything a packet says of itself stays, its addresses and ports do not. */
static void randomize(struct packet *p)
{
	static const struct {
		const uint8_t *bytes;
		size_t len;
	} fields[] = {
		{ packet_src4, 4 },   { packet_dst4, 4 },  { packet_src6, 16 },
		{ packet_dst6, 16 },  { packet_home, 16 }, { packet_home2, 16 },
		{ packet_route, 16 }, { packet_ports, 4 },
	};

	for (size_t i = 14; i < p->len; i++) {
		for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++) {
			if (i + fields[f].len > p->len ||
			    memcmp(p->bytes + i, fields[f].bytes, fields[f].len) != 0)
				continue;
			for (size_t k = 0; k < fields[f].len; k++)
				p->bytes[i + k] = (uint8_t)below(256);
			i += fields[f].len - 1;
			break;
		}
	}
}

/* Now and then: a cut end, a flipped bit, noise for a tail. */
static void damage(struct packet *p)
{
	size_t header = p->bytes[12] == 0x86 ? 54 : 34;

	if (!below(8))
		p->len -= below((uint32_t)(p->len - header) + 1);
	if (!below(8) && p->len > header)
		p->bytes[14 + below((uint32_t)p->len - 14)] ^= (uint8_t)(1 << below(8));
	if (!below(8))
		for (uint32_t n = below(64); n; n--)
			packet_put(p, &(uint8_t){ (uint8_t)below(256) }, 1);
}

static void random_packet(struct packet *p, char *words)
{
	words[0] = '\0';
	switch (below(20)) {
	case 0:
		append(words, below(2) ? "arp" : "mpls");
		break;
	case 16 ... 19:
		append_tunnel(words, 0);
		break;
	case 1 ... 7:
		append_ipv4(words);
		break;
	default:
		append_ipv6(words);
	}
	packet_build(p, words);
	randomize(p);
	damage(p);
}

static void random_steering(struct steering *s)
{
	static const uint16_t lens[] = { 1, 2, 4, 8, 16, 32, 64, 128 };

	memset(s, 0, sizeof(*s));
	s->redirect = below(32);
	s->hash_types = below(4) ? below(RSS_HASH_ALL + 1) : RSS_HASH_ALL;
	if (below(4))
		s->hash_types |= below(2) ? RSS_TUNNEL_ALL
					  : below(RSS_TUNNEL_ALL + 1) & RSS_TUNNEL_ALL;
	s->table_len = below(16) ? lens[below(8)] : (uint16_t)below(300);
	s->default_queue = (uint16_t)below(65536);
	for (size_t i = 0; i < RSS_KEY_LEN; i++)
		s->key[i] = (uint8_t)below(256);
	for (size_t i = 0; i < RSS_TABLE_MAX; i++)
		s->table[i] = (uint16_t)below(65536);
}

/* What the run has seen. */
struct tally {
	uint32_t packets, hashed, compared, inner;
	uint32_t differing[DIFF_COUNT]; /* packets of one named difference, and decided differently
					 */
};

static void report_failure(const char *whose, const char *words, const struct packet *p,
			   const struct steering *s, int got, const struct reference_verdict *v)
{
	fprintf(stderr,
		"# %s: queue %d, not %d: type %#x of %#x, table of %u, differences %#x,%s\n# ",
		whose, got, v->queue, v->type, s->hash_types, s->table_len, v->differences, words);
	for (size_t i = 0; i < p->len; i++)
		fprintf(stderr, "%02x", p->bytes[i]);
	fprintf(stderr, "\n");
	fail();
}

/* What the object is to do with the steering: one that does not know tunnels sees none. */
static struct steering as_known(const struct steering *s, const char *whose)
{
	struct steering known = *s;

	if (!strstr(whose, "tunnel"))
		known.hash_types &= RSS_HASH_ALL;
	return known;
}

/* Runs the packets; `differ` says whether the named differences are this object's. */
static void run(const struct object *o, const char *whose, bool differ, struct tally *t)
{
	uint32_t n = number_from("RSSB_PACKETS", PACKETS),
		 seed = number_from("RSSB_SEED", 20261122);
	struct reference_verdict v;
	struct steering s, known;
	struct packet p;
	char words[512];

	random_state = seed;
	memset(t, 0, sizeof(*t));
	for (uint32_t i = 0; i < n; i++) {
		int got;

		if (i % PACKETS_A_CONFIG == 0) {
			random_steering(&s);
			object_steer(o, &s);
			known = as_known(&s, whose);
		}
		random_packet(&p, words);
		reference_steer(&known, p.bytes, p.len, &v);
		got = object_queue(o, p.bytes, p.len);
		t->packets++;
		t->hashed += v.type != 0;
		t->inner += v.type && v.inner;
		if (!differ || !v.differences) {
			t->compared++;
			if (got != v.queue)
				report_failure(whose, words, &p, &s, got, &v);
		} else if (got != v.queue) {
			for (int d = 0; d < DIFF_COUNT; d++)
				t->differing[d] += v.differences == 1u << d;
		}
	}
}

static void test_our_objects(void **state)
{
	for (const char *const *name = check_names; *name; name++) {
		struct object o;
		struct tally t;

		if (!check_open(&o, *name))
			skip();
		run(&o, *name, false, &t);
		object_unload(&o);
		printf("# %s: %u packets, %u hashed, %u of them inside a tunnel\n", *name,
		       t.packets, t.hashed, t.inner);
		assert_true(t.packets >= PACKETS || getenv("RSSB_PACKETS"));
		assert_true(t.hashed > t.packets / 3);
		assert_int_equal(t.inner > t.packets / 50, strstr(*name, "tunnel") != NULL);
	}
}

/* Each difference has to show by itself, or it would excuse what it does not explain. */
static void test_qemu_object(void **state)
{
	const unsigned int on_a_tap = DIFF_VLAN | DIFF_PAGED;
	struct object o;
	struct tally t;

	if (!check_open_qemu(&o))
		skip();
	run(&o, "QEMU", true, &t);
	object_unload(&o);
	printf("# QEMU: %u packets, %u compared\n", t.packets, t.compared);
	assert_true(t.compared > t.packets / 2);
	for (int d = 0; d < DIFF_COUNT; d++) {
		printf("# QEMU: %s: %u packets steered otherwise\n", reference_difference_names[d],
		       t.differing[d]);
	}
	for (int d = 0; d < DIFF_COUNT; d++)
		assert_true(t.differing[d] || on_a_tap & 1u << d || getenv("RSSB_PACKETS"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_our_objects),
		cmocka_unit_test(test_qemu_object),
	};

	return cmocka_run_group_tests_name("differential", tests, NULL, NULL);
}
