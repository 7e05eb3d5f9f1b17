/* SPDX-License-Identifier: MIT */
/*
 * A client's bytes: codec and validator.  They must accept exactly what the
 * second judge (tests/unit/judge.h) accepts, lose nothing of it, and say why not
 * of all else.
 */
#include <errno.h>

#include "proto/codec.h"
#include "tests/fuzz/lib/fuzz.h"
#include "tests/unit/judge.h"

/* op and tag are for the reply; nothing else of what was refused gets out. */
static void check_refusal(const uint8_t *data, size_t size, const union rssb_request *got,
			  const struct rssb_refusal *why)
{
	size_t said = strnlen(why->reason, sizeof(why->reason));

	FUZZ_CHECK(why->status >= RSSB_MALFORMED && why->status <= RSSB_INVALID);
	FUZZ_CHECK(said > 0 && said < sizeof(why->reason));
	for (size_t i = 0; i < said; i++)
		FUZZ_CHECK(why->reason[i] >= ' ' && why->reason[i] <= '~');
	FUZZ_CHECK(got->header.op == (size < 16 ? 0 : judge_int(data, 6, 2)));
	FUZZ_CHECK(got->header.tag == (size < 16 ? 0 : judge_int(data, 12, 4)));
	FUZZ_CHECK(judge_zero((const uint8_t *)got, 16, sizeof(*got)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = fuzz_copy(data, size);
	union rssb_request got = { 0 };
	struct rssb_refusal why;
	int err = rssb_request_decode(&got, bytes, size, &why);

	FUZZ_CHECK(err == (judge_request(data, size) ? 0 : -EINVAL));
	if (err) {
		check_refusal(data, size, &got, &why);
	} else {
		FUZZ_CHECK(strcmp(rssb_op_name(got.header.op), "?") != 0);
		FUZZ_CHECK(rssb_request_encode(&got) == size);
		FUZZ_CHECK(memcmp(&got, data, size) == 0);
	}
	free(bytes);
	return 0;
}
