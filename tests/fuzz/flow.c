/* SPDX-License-Identifier: MIT */
/*
 * rssb hash: two ends of a flow, a protocol and STEERING, a line each.  An end must
 * read the same when it is written out, and the hash must be that of the
 * definition.
 */
#include <arpa/inet.h>
#include <errno.h>

#include "client/cli/rss/steering.h"
#include "client/cli/rss/toeplitz.h"
#include "tests/fuzz/lib/fuzz.h"

#define WORDS	   4
#define WITH_PORTS (0x2 | 0x4 | 0x10 | 0x20 | 0x80 | 0x100)

/* Cuts text at its line ends; the last word is the rest. */
static void words_cut(char *text, const char *ret[WORDS])
{
	for (size_t i = 0; i < WORDS; i++) {
		char *end = i + 1 < WORDS && text ? strchr(text, '\n') : NULL;

		if (end)
			*end++ = '\0';
		ret[i] = text ? text : "";
		text = end;
	}
}

static int end_parse(struct flow_end *ret, const char *text)
{
	char reason[WHY_MAX] = "";
	int err;

	memset(ret, 0xa5, sizeof(*ret));
	err = flow_end_parse(ret, text, reason);
	FUZZ_CHECK(err == 0 || err == -EINVAL);
	FUZZ_CHECK(!err || (reason[0] && memchr(reason, 0, sizeof(reason))));
	return err;
}

static void check_end(const struct flow_end *end)
{
	char address[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 16];
	int family = end->version == 6 ? AF_INET6 : AF_INET;
	struct flow_end again;

	FUZZ_CHECK(end->version == 4 || end->version == 6);
	FUZZ_CHECK(inet_ntop(family, end->address, address, sizeof(address)));
	if (!end->has_port)
		strcpy(text, address);
	else
		sprintf(text, family == AF_INET6 ? "[%s]:%u" : "%s:%u", address, end->port);
	FUZZ_CHECK(end_parse(&again, text) == 0);
	FUZZ_CHECK(again.version == end->version && again.has_port == end->has_port);
	FUZZ_CHECK(!memcmp(again.address, end->address, family == AF_INET6 ? 16 : 4));
	FUZZ_CHECK(!end->has_port || again.port == end->port);
}

/* Bit by bit, as the definition has it. */
static uint32_t hash_slowly(const uint8_t *key, const uint8_t *input, size_t len)
{
	uint32_t hash = 0;

	for (size_t bit = 0; bit < 8 * len; bit++)
		for (size_t i = 0; i < 32 && input[bit / 8] & 0x80 >> bit % 8; i++)
			hash ^= (uint32_t)(key[(bit + i) / 8] >> (7 - (bit + i) % 8) & 1)
				<< (31 - i);
	return hash;
}

static uint32_t hash_of(const struct flow *f, const uint8_t *key, bool ports)
{
	size_t address = f->version == 6 ? 16 : 4;
	uint8_t input[36] = { 0 };
	uint16_t sport = htons(f->sport), dport = htons(f->dport);

	memcpy(input, f->src, address);
	memcpy(input + address, f->dst, address);
	memcpy(input + 2 * address, &sport, 2);
	memcpy(input + 2 * address + 2, &dport, 2);
	return hash_slowly(key, input, 2 * address + (ports ? 4 : 0));
}

static void check_hash(const struct flow *f, const char *words)
{
	struct steering s;
	char reason[WHY_MAX];
	uint32_t type, hash = 0;

	if (steering_parse(&s, words, reason))
		return;
	if (!s.keyed)
		memcpy(s.key, toeplitz_microsoft_key, sizeof(s.key));
	type = toeplitz_flow_hash(f, s.key, s.hash_types, &hash);
	FUZZ_CHECK(!type || ((s.hash_types & type) && !(type & (type - 1))));
	FUZZ_CHECK(!type || strcmp(steering_hash_type_name(type), "?") != 0);
	if (type)
		FUZZ_CHECK(hash == hash_of(f, s.key, type & WITH_PORTS));
	if (type && s.table_len)
		FUZZ_CHECK(s.table[hash % s.table_len] < s.queues);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), reason[WHY_MAX] = "";
	struct flow_end src, dst;
	const char *words[WORDS];
	struct flow flow;
	int bad_src, bad_dst;

	words_cut(text, words);
	bad_src = end_parse(&src, words[0]);
	bad_dst = end_parse(&dst, words[1]);
	if (!bad_src)
		check_end(&src);
	if (!bad_dst)
		check_end(&dst);
	if (!bad_src && !bad_dst &&
	    !flow_join(&flow, &src, &dst, words[2][0] ? words[2] : NULL, reason))
		check_hash(&flow, words[3]);
	free(text);
	return 0;
}
