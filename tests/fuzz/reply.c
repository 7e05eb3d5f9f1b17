/* SPDX-License-Identifier: MIT */
/*
 * A broker's bytes, as librssb decodes them: exactly what the second judge
 * accepts, every text ended, and untouched results on failure.
 */
#include <errno.h>

#include "proto/codec.h"
#include "tests/fuzz/lib/fuzz.h"
#include "tests/unit/judge.h"

#define UNTOUCHED 0xa5a5a5a5u

static void check_texts(const union rssb_reply_any *reply)
{
	FUZZ_CHECK(memchr(reply->base.reason, 0, sizeof(reply->base.reason)));
	if (reply->base.status != RSSB_OK)
		return;
	if (reply->base.header.op == (RSSB_OP_INFO | RSSB_OP_REPLY))
		FUZZ_CHECK(memchr(reply->info.version, 0, sizeof(reply->info.version)));
	if (reply->base.header.op == (RSSB_OP_OBJECT | RSSB_OP_REPLY))
		FUZZ_CHECK(memchr(reply->object.name, 0, sizeof(reply->object.name)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = fuzz_copy(data, size);
	union rssb_reply_any got = { .base.header.magic = UNTOUCHED };
	int err = rssb_reply_decode(&got, bytes, size);

	FUZZ_CHECK((err == 0) == judge_reply(data, size));
	if (err) {
		FUZZ_CHECK(err == -EBADMSG || err == -EPROTONOSUPPORT);
		FUZZ_CHECK(got.base.header.magic == UNTOUCHED);
	} else {
		check_texts(&got);
		FUZZ_CHECK(rssb_reply_encode(&got) == size);
		FUZZ_CHECK(memcmp(&got, data, size) == 0);
	}
	free(bytes);
	return 0;
}
