/* SPDX-License-Identifier: MIT */
/*
 * STEERING, the one argument that says which queues.  What is accepted must be in
 * range, be what the broker's judge accepts, and read the same when it is written
 * out as a table.
 */
#include <errno.h>

#include "bpf/rss_maps.h"
#include "client/cli/rss/steering.h"
#include "proto/codec.h"
#include "tests/fuzz/lib/fuzz.h"
#include "tests/unit/judge.h"

#define WRITTEN_MAX 2048

static void check_range(const struct steering *s)
{
	FUZZ_CHECK(s->table_len <= RSSB_TABLE_MAX && !(s->table_len & (s->table_len - 1)));
	FUZZ_CHECK(s->queues >= 1 && s->queues <= RSSB_QUEUES_MAX);
	FUZZ_CHECK(s->default_queue < s->queues);
	FUZZ_CHECK(!(s->hash_types & ~(RSSB_HASH_ALL | RSSB_TUNNELS_ALL)));
	for (unsigned i = 0; i < s->table_len; i++)
		FUZZ_CHECK(s->table[i] < s->queues);
	FUZZ_CHECK(s->keyed || judge_zero(s->key, 0, sizeof(s->key)));
}

/* As the request that librssb makes of it. */
static void check_wire(const struct steering *s)
{
	union rssb_request request = { .acquire = { .kind = RSSB_KIND_MANAGED } };
	struct rssb_steering_wire *wire = &request.acquire.steering;
	uint8_t bytes[sizeof(request)];
	size_t len;

	request.header.op = RSSB_OP_ACQUIRE;
	request.acquire.object.abi = RSSB_ABI_QEMU_RSS_1;
	wire->hash_types = s->hash_types;
	wire->queues = s->queues;
	wire->default_queue = s->default_queue;
	wire->table_len = s->table_len;
	wire->key_len = RSSB_KEY_LEN;
	memcpy(wire->key, s->key, sizeof(wire->key));
	memcpy(wire->table, s->table, s->table_len * sizeof(wire->table[0]));
	len = rssb_request_encode(&request);
	memcpy(bytes, &request, len);
	FUZZ_CHECK(judge_request(bytes, len));
}

static char *write_types(char *at, uint32_t types)
{
	const char *before = "";

	if (!(types & RSSB_HASH_ALL)) {
		at += sprintf(at, "none");
		before = ",";
	}
	if (types & RSS_TUNNEL_GRE_2784) /* of three bits, which go together */
		at += sprintf(at, "%sgre", before);
	if (types & RSS_TUNNEL_GRE_2784)
		before = ",";
	types &= ~(RSS_TUNNEL_GRE_2784 | RSS_TUNNEL_GRE_2890 | RSS_TUNNEL_GRE_7676);
	for (uint32_t bit = 1; bit <= types; bit <<= 1) {
		if (!(types & bit))
			continue;
		at += sprintf(at, "%s%s", before, steering_hash_type_name(bit));
		before = ",";
	}
	return at;
}

static void write_out(const struct steering *s, char text[WRITTEN_MAX])
{
	char *at = text + sprintf(text, "default-queue %u\thash-types ", s->default_queue);

	at = write_types(at, s->hash_types);
	for (unsigned i = 0; i < s->table_len; i++)
		at += sprintf(at, "%s%u", i ? "," : " table ", s->table[i]);
	for (unsigned i = 0; s->keyed && i < sizeof(s->key); i++)
		at += sprintf(at, "%s%02x", i ? ":" : " hkey ", s->key[i]);
}

static void check_written(const struct steering *s)
{
	char text[WRITTEN_MAX], reason[WHY_MAX];
	struct steering again;

	write_out(s, text);
	FUZZ_CHECK(steering_parse(&again, text, reason) == 0);
	FUZZ_CHECK(again.hash_types == s->hash_types && again.queues == s->queues);
	FUZZ_CHECK(again.default_queue == s->default_queue && again.keyed == s->keyed);
	FUZZ_CHECK(again.table_len == s->table_len);
	FUZZ_CHECK(!memcmp(again.table, s->table, s->table_len * sizeof(s->table[0])));
	FUZZ_CHECK(!memcmp(again.key, s->key, sizeof(s->key)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), reason[WHY_MAX] = "";
	struct steering got;
	int err;

	memset(&got, 0xa5, sizeof(got));
	err = steering_parse(&got, text, reason);
	free(text);
	if (err) {
		FUZZ_CHECK(err == -EINVAL && reason[0] && memchr(reason, 0, sizeof(reason)));
		FUZZ_CHECK(got.hash_types == 0xa5a5a5a5 && got.table[0] == 0xa5a5);
		return 0;
	}
	check_range(&got);
	check_written(&got);
	if (steering_check(&got, reason) == 0)
		check_wire(&got);
	return 0;
}
