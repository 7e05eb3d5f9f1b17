/* SPDX-License-Identifier: MIT */
/*
 * Steering in words.  Parsing is pure: no system call, no allocation; the
 * meaning of equal, weight and start is ethtool's.
 */
#include "client/cli/rss/steering.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bpf/rss_maps.h"
#include "client/cli/rss/hkey.h"
#include "proto/rssb_proto.h"
#include "proto/util/option_table.h"

#define TABLE_LEN  RSSB_TABLE_ENTRIES_MAX /* of equal and weight */
#define WORD_MAX   1024			  /* a table of 128 entries has at most 511 bytes */
#define WHITESPACE " \t\r\n"

struct parser {
	struct steering out;
	const char *rest;    /* of the text */
	char word[WORD_MAX]; /* the last one read; empty at the end */
	unsigned given;	     /* bit n: clauses[n] was there */
	unsigned equal, start, n_weights;
	unsigned weights[TABLE_LEN];
	char *why;
};

#define fail(p, ...) why_set((p)->why, -EINVAL, __VA_ARGS__)

static int next_word(struct parser *p)
{
	size_t len;

	p->rest += strspn(p->rest, WHITESPACE);
	len = strcspn(p->rest, WHITESPACE);
	if (len >= sizeof(p->word))
		return fail(p, "\"%.20s...\": no word here has more than %zu characters", p->rest,
			    sizeof(p->word) - 1);
	memcpy(p->word, p->rest, len);
	p->word[len] = '\0';
	p->rest += len;
	return 0;
}

/* The value that a clause needs. */
static int next_value(struct parser *p, const char *clause)
{
	int r = next_word(p);

	if (!r && !p->word[0])
		return fail(p, "%s: needs a value", clause);
	return r;
}

/* Decimal digits and nothing else. */
static int parse_number(struct parser *p, const char *clause, const char *text, unsigned min,
			unsigned max, unsigned *ret)
{
	if (!option_number(text, min, max, ret))
		return 0;
	return fail(p, "%s: \"%.40s\" is not a number from %u to %u", clause, text, min, max);
}

static int clause_equal(struct parser *p)
{
	int r = next_value(p, "equal");

	return r ? r : parse_number(p, "equal", p->word, 1, TABLE_LEN, &p->equal);
}

/* As many numbers as there are; the next clause begins with a letter. */
static int clause_weight(struct parser *p)
{
	unsigned sum = 0;

	for (;;) {
		const char *before = p->rest;
		int r = next_word(p);

		if (r)
			return r;
		if (p->word[0] < '0' || p->word[0] > '9') {
			p->rest = before;
			break;
		}
		if (p->n_weights == TABLE_LEN)
			return fail(p, "weight: more than %d weights", TABLE_LEN);
		r = parse_number(p, "weight", p->word, 0, TABLE_LEN, &p->weights[p->n_weights]);
		if (r)
			return r;
		sum += p->weights[p->n_weights++];
	}
	if (!p->n_weights)
		return fail(p, "weight: needs a number for each queue");
	if (!sum || sum > TABLE_LEN)
		return fail(p, "weight: the sum is %u, it must be 1 to %d", sum, TABLE_LEN);
	return 0;
}

static int clause_table(struct parser *p)
{
	char *rest = p->word;
	unsigned n = 0;
	int r = next_value(p, "table");

	while (!r && rest) {
		char *entry = strsep(&rest, ",");
		unsigned queue;

		if (n == TABLE_LEN)
			return fail(p, "table: more than %d entries", TABLE_LEN);
		r = parse_number(p, "table", entry, 0, RSSB_QUEUES_MAX - 1, &queue);
		if (!r)
			p->out.table[n++] = (uint16_t)queue;
	}
	if (!r && (n & (n - 1)))
		return fail(p, "table: has %u entries, it must be 1, 2, 4, 8, 16, 32, 64 or %d", n,
			    TABLE_LEN);
	p->out.table_len = (uint16_t)n;
	return r;
}

static int clause_start(struct parser *p)
{
	int r = next_value(p, "start");

	return r ? r : parse_number(p, "start", p->word, 0, RSSB_QUEUES_MAX - 1, &p->start);
}

static int clause_hkey(struct parser *p)
{
	size_t len = 0;
	int err = next_value(p, "hkey");

	if (!err)
		err = hkey_parse(p->word, p->out.key, &len, p->why);
	if (err)
		return err;
	p->out.keyed = true;
	p->out.key_unused = (uint16_t)(len - RSSB_KEY_BYTES);
	return 0;
}

static int clause_default_queue(struct parser *p)
{
	unsigned queue = 0;
	int r = next_value(p, "default-queue");

	if (!r)
		r = parse_number(p, "default-queue", p->word, 0, RSSB_QUEUES_MAX - 1, &queue);
	p->out.default_queue = (uint16_t)queue;
	return r;
}

static const struct {
	const char *name;
	uint32_t bits;
} hash_types[] = {
	{ "ipv4", RSS_HASH_IPV4 },
	{ "tcp4", RSS_HASH_TCPV4 },
	{ "udp4", RSS_HASH_UDPV4 },
	{ "ipv6", RSS_HASH_IPV6 },
	{ "tcp6", RSS_HASH_TCPV6 },
	{ "udp6", RSS_HASH_UDPV6 },
	{ "ip_ex", RSS_HASH_IP_EX },
	{ "tcp_ex", RSS_HASH_TCP_EX },
	{ "udp_ex", RSS_HASH_UDP_EX },
	{ "all", RSS_HASH_ALL },
	{ "none", 0 },
	{ "gre", RSS_TUNNEL_GRE_2784 | RSS_TUNNEL_GRE_2890 | RSS_TUNNEL_GRE_7676 },
	{ "gre-udp", RSS_TUNNEL_GRE_UDP },
	{ "vxlan", RSS_TUNNEL_VXLAN },
	{ "vxlan-gpe", RSS_TUNNEL_VXLAN_GPE },
	{ "geneve", RSS_TUNNEL_GENEVE },
	{ "ipip", RSS_TUNNEL_IPIP },
	{ "nvgre", RSS_TUNNEL_NVGRE },
};

#define N_HASH_TYPES (sizeof(hash_types) / sizeof(hash_types[0]))

const char *steering_hash_type_name(uint32_t bit)
{
	for (size_t i = 0; i < N_HASH_TYPES; i++)
		if (hash_types[i].bits == bit)
			return hash_types[i].name;
	return "?";
}

static int clause_hash_types(struct parser *p)
{
	char *rest = p->word;
	int r = next_value(p, "hash-types");
	bool any_type = false;

	p->out.hash_types = 0;
	while (!r && rest) {
		char *name = strsep(&rest, ",");
		size_t i = 0;

		while (i < N_HASH_TYPES && strcmp(hash_types[i].name, name) != 0)
			i++;
		if (i == N_HASH_TYPES)
			return fail(
				p,
				"hash-types: \"%.40s\" is none of ipv4 tcp4 udp4 ipv6 tcp6 udp6 "
				"ip_ex tcp_ex udp_ex all none, nor of the tunnels gre ipip vxlan "
				"geneve nvgre gre-udp vxlan-gpe",
				name);
		p->out.hash_types |= hash_types[i].bits;
		any_type |= !(hash_types[i].bits & RSS_TUNNEL_ALL);
	}
	if (!r && !any_type)
		p->out.hash_types |= RSS_HASH_ALL;
	return r;
}

enum { EQUAL, WEIGHT, TABLE, START, HKEY, DEFAULT_QUEUE, HASH_TYPES, N_CLAUSES };

static const struct {
	const char *name;
	int (*parse)(struct parser *p);
	unsigned excludes; /* clauses that say the same thing otherwise */
} clauses[N_CLAUSES] = {
	[EQUAL] = { "equal", clause_equal, 1u << WEIGHT | 1u << TABLE },
	[WEIGHT] = { "weight", clause_weight, 1u << EQUAL | 1u << TABLE },
	[TABLE] = { "table", clause_table, 1u << EQUAL | 1u << WEIGHT | 1u << START },
	[START] = { "start", clause_start, 1u << TABLE },
	[HKEY] = { "hkey", clause_hkey, 0 },
	[DEFAULT_QUEUE] = { "default-queue", clause_default_queue, 0 },
	[HASH_TYPES] = { "hash-types", clause_hash_types, 0 },
};

/* The clause whose name is the last word read. */
static int parse_clause(struct parser *p)
{
	unsigned n = 0;

	while (n < N_CLAUSES && strcmp(clauses[n].name, p->word) != 0)
		n++;
	if (n == N_CLAUSES)
		return fail(p,
			    "\"%.40s\" is none of equal, weight, table, start, hkey, "
			    "default-queue, hash-types",
			    p->word);
	if (p->given & 1u << n)
		return fail(p, "%s: given twice", clauses[n].name);
	for (unsigned other = 0; other < N_CLAUSES; other++)
		if (p->given & clauses[n].excludes & 1u << other)
			return fail(p, "%s: does not go together with %s", clauses[n].name,
				    clauses[other].name);
	p->given |= 1u << n;
	return clauses[n].parse(p);
}

/* Each queue gets the entries from where the one before it ends. */
static void spread_weights(struct parser *p)
{
	unsigned sum = 0, partial = 0, entry = 0;

	for (unsigned i = 0; i < p->n_weights; i++)
		sum += p->weights[i];
	for (unsigned i = 0; i < p->n_weights; i++) {
		partial += p->weights[i];
		while (entry < TABLE_LEN * partial / sum)
			p->out.table[entry++] = (uint16_t)(p->start + i);
	}
}

static int spread(struct parser *p)
{
	unsigned queues = p->equal + p->n_weights; /* one of them is 0 */

	if (!queues)
		return p->given & 1u << START ? fail(p, "start: needs equal or weight") : 0;
	if (p->start + queues > RSSB_QUEUES_MAX)
		return fail(p, "start: %u and %u queues are more than %u", p->start, queues,
			    RSSB_QUEUES_MAX);

	p->out.table_len = TABLE_LEN;
	for (unsigned i = 0; p->equal && i < TABLE_LEN; i++)
		p->out.table[i] = (uint16_t)(p->start + i % p->equal);
	if (p->n_weights)
		spread_weights(p);
	return 0;
}

static uint16_t count_queues(const struct steering *s)
{
	uint16_t highest = s->default_queue;

	for (size_t i = 0; i < s->table_len; i++)
		if (s->table[i] > highest)
			highest = s->table[i];
	return highest + 1;
}

int steering_parse(struct steering *ret, const char *text, char why[WHY_MAX])
{
	struct parser p = {
		.out.hash_types = RSS_HASH_ALL,
		.rest = text,
		.why = why,
	};
	int r;

	while (!(r = next_word(&p)) && p.word[0]) {
		r = parse_clause(&p);
		if (r)
			return r;
	}
	if (!r)
		r = spread(&p);
	if (r)
		return r;

	p.out.queues = count_queues(&p.out);
	*ret = p.out;
	return 0;
}

int steering_check(const struct steering *s, char why[WHY_MAX])
{
	if (s->key_unused)
		return why_set(why, -EINVAL, "hkey: has %d bytes, must be %d",
			       RSSB_KEY_BYTES + s->key_unused, RSSB_KEY_BYTES);
	if (!s->table_len)
		return why_set(why, -EINVAL,
			       "STEERING names no queues: give equal, weight or table");
	return 0;
}

int steering_complete(struct steering *s, char why[WHY_MAX])
{
	if (steering_check(s, why))
		return -EINVAL;
	if (!s->keyed && getrandom(s->key, sizeof(s->key), 0) != (ssize_t)sizeof(s->key))
		return why_set(why, -errno, "cannot get a random key: %m");
	s->keyed = true;
	return 0;
}

struct rssb_steering steering_view(const struct steering *s)
{
	return (struct rssb_steering){
		.size = sizeof(struct rssb_steering),
		.hash_types = s->hash_types,
		.queues = s->queues,
		.default_queue = s->default_queue,
		.table_len = s->table_len,
		.table = s->table,
		.key = s->keyed ? s->key : NULL,
	};
}
