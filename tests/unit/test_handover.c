/* SPDX-License-Identifier: MIT */
/* The end of a handover, on memfds: what the broker gives up, when, and what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/front/handover.h"
#include "tests/unit/capture.h"
#include "tests/unit/fake_set.h"
#include "tests/unit/open_fds.h"

static const struct objects objects = { .n = 2, .list = { { .id = { 1 } }, { .id = { 0xab } } } };
static struct account alice = { .used = true, .uid = 1000, .shown = "-" };
static struct grant grant;

/* A grant whose reply went out: it has the set's maps. */
static void begin(struct handover *h, uint16_t kind)
{
	struct set_fds fds = fake_set_fds(false);
	struct set set;

	assert_int_equal(set_init(&set, &fds, FAKE_CPUS), 0);
	grant = (struct grant){ .id = 7, .account = &alice, .pid = 42, .object = 1, .kind = kind };
	memcpy(grant.label, "web", 3);
	grant.maps = set.maps;
	set.maps = GRANT_MAPS_INIT;
	handover_begin(h, &grant, &set);
	assert_int_equal(set.fds.prog, -1); /* taken */
}

static void finish(struct handover *h, const char *want)
{
	struct capture said;

	capture_begin(&said, STDERR_FILENO);
	handover_finish(h, &objects);
	capture_end(&said);
	assert_string_equal(said.text, want);
	assert_null(h->grant);
}

static void both_kinds(void **state)
{
	const unsigned before = open_fds();
	struct handover h = { 0 };

	for (uint16_t kind = RSSB_KIND_HANDOFF; kind <= RSSB_KIND_MANAGED; kind++) {
		begin(&h, kind);
		assert_non_null(grant.maps.steering);
		/* Program, maps and the lease's end that is the broker's: the other is closed now.
		 */
		assert_int_equal(open_fds(), before + 4 + 1);
		finish(&h, "<6>rss-broker: ACQUIRE uid=1000 label=- pid=42 grant=7 name=web "
			   "object=ab0000000000 result=ok\n");
		assert_int_equal(open_fds(), before + 1);
		assert_int_equal(grant.maps.steering != NULL, kind == RSSB_KIND_MANAGED);
		grant_maps_done(&grant.maps);
	}
}

static void nothing_waits(void **state)
{
	struct handover h = { 0 };

	finish(&h, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_kinds),
		cmocka_unit_test(nothing_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
