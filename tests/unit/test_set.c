/* SPDX-License-Identifier: MIT */
/* Sets and holds on memfds: every byte of the maps, who owns what, and sums of counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/unit/fake_set.h"
#include "tests/unit/open_fds.h"
#include "tests/unit/valgrind.h"

static const struct rssb_steering_wire steering = {
	.hash_types = 0x1a5,
	.queues = 256,
	.default_queue = 0x0102,
	.table_len = 4,
	.key_len = 40,
	.key = { 0x11, 0x22, 0x33, 0x44, 5,  6,	 7,  8,	 9,  10, 11, 12, 13, 14,
		 15,   16,   17,   18,	 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
		 29,   30,   31,   32,	 33, 34, 35, 36, 37, 38, 39, 40 },
	.table = { 0x0001, 0x00ff, 0x0080, 0x0000 },
};

/* What a holder of the fds sees. */
static void read_map(int fd, uint8_t ret[4096])
{
	assert_int_equal(pread(fd, ret, 4096, 0), 4096);
}

static void expect(int fd, const uint8_t *want, size_t len)
{
	static const uint8_t zero[4096];
	uint8_t got[4096];

	read_map(fd, got);
	assert_memory_equal(got, want, len);
	assert_memory_equal(got + len, zero, sizeof(got) - len);
}

/* On little-endian machines; others have the multi-byte fields turned. */
static void layout(void **state)
{
	static const uint8_t config[] = { 1, 0, 0xa5, 0x01, 0, 0, 4, 0, 0x02, 0x01 };
	static const uint8_t table[] = { 0x01, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0,
					 0x80, 0, 0, 0, 0, 0, 0, 0, 0,	  0, 0, 0, 0, 0, 0, 0 };
	struct set_fds fds = fake_set_fds(false);
	struct grant_maps maps = GRANT_MAPS_INIT;
	uint8_t key[40];

	memcpy(key, steering.key, sizeof(key));
	memcpy(key, "\x44\x33\x22\x11", 4);
	assert_int_equal(grant_maps_map(&maps, &fds, 0), 0);
	grant_maps_fill(&maps, &steering);
	expect(fds.config, config, sizeof(config));
	expect(fds.key, key, sizeof(key));
	expect(fds.table, table, sizeof(table));
	grant_maps_done(&maps);
	set_fds_done(&fds);
}

/* A shorter table leaves the old entries behind it: packets on their way may still want them. */
static void filled_again(void **state)
{
	static const uint8_t config[] = { 1, 0, 0x01, 0, 0, 0, 1, 0, 0, 0 };
	uint8_t table[8 * 128] = { 7 };
	struct rssb_steering_wire full = steering,
				  one = { .hash_types = 1, .queues = 8, .key_len = 40 };
	struct set_fds fds = fake_set_fds(false);
	struct grant_maps maps = GRANT_MAPS_INIT;

	full.table_len = 128;
	for (uint16_t i = 0; i < 128; i++)
		full.table[i] = i;
	for (uint8_t i = 1; i < 128; i++)
		table[8 * i] = i;
	one.table_len = 1;
	one.table[0] = 7;
	assert_int_equal(grant_maps_map(&maps, &fds, 0), 0);
	grant_maps_fill(&maps, &full);
	grant_maps_fill(&maps, &one);
	expect(fds.config, config, sizeof(config));
	expect(fds.key, NULL, 0);
	expect(fds.table, table, sizeof(table));
	grant_maps_done(&maps);
	set_fds_done(&fds);
}

/* A key_len of 0 keeps the key. */
static void key_stays(void **state)
{
	struct rssb_steering_wire keyless = { .hash_types = 1, .queues = 8, .table_len = 1 };
	uint8_t before[4096], after[4096];
	struct set_fds fds = fake_set_fds(false);
	struct grant_maps maps = GRANT_MAPS_INIT;

	assert_int_equal(grant_maps_map(&maps, &fds, 0), 0);
	grant_maps_fill(&maps, &steering);
	read_map(fds.key, before);
	grant_maps_fill(&maps, &keyless);
	read_map(fds.key, after);
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(before[4], 5);
	grant_maps_done(&maps);
	set_fds_done(&fds);
}

#ifdef __x86_64__
/* Set before a fill, looked at when it touches the configuration, and one instruction later. */
static struct {
	struct grant_maps maps;
	long page;
	uint16_t entry0, key0; /* at the first touch */
	uint64_t head;	       /* after one instruction */
} touched;

static void on_touch(int sig, siginfo_t *info, void *context)
{
	const char *at = touched.maps.steering;

	assert_ptr_equal(info->si_addr, at);
	memcpy(&touched.key0, at + touched.page + 4, sizeof(touched.key0));
	memcpy(&touched.entry0, at + 2 * touched.page, sizeof(touched.entry0));
	mprotect(touched.maps.steering, (size_t)touched.page, PROT_READ | PROT_WRITE);
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= 0x100; /* one step */
}

static void on_step(int sig, siginfo_t *info, void *context)
{
	memcpy(&touched.head, touched.maps.steering, sizeof(touched.head));
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~0x100;
}

/* A packet that sees the new length and types finds the table and the key that they are of. */
static void configuration_comes_last_and_at_once(void **state)
{
	static const uint8_t want[] = { 1, 0, 0xa5, 0x01, 0, 0, 4, 0 };
	struct sigaction touch = { .sa_sigaction = on_touch, .sa_flags = SA_SIGINFO };
	struct sigaction step = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };
	struct set_fds fds = fake_set_fds(false);

	if (is_single_stepped())
		skip();
	touched.page = sysconf(_SC_PAGESIZE);
	touched.maps = GRANT_MAPS_INIT;
	assert_int_equal(grant_maps_map(&touched.maps, &fds, 0), 0);
	sigaction(SIGSEGV, &touch, NULL);
	sigaction(SIGTRAP, &step, NULL);
	mprotect(touched.maps.steering, (size_t)touched.page, PROT_NONE);
	grant_maps_fill(&touched.maps, &steering);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGTRAP, SIG_DFL);
	assert_int_equal(touched.entry0, 1);
	assert_int_equal(touched.key0, 0x0605);
	assert_memory_equal(&touched.head, want, sizeof(want));
	grant_maps_done(&touched.maps);
	set_fds_done(&fds);
}
#endif

static void whole_table(void **state)
{
	struct rssb_steering_wire full = steering;
	struct set_fds fds = fake_set_fds(false);
	struct grant_maps maps = GRANT_MAPS_INIT;
	uint8_t got[4096];

	full.table_len = 128;
	for (uint16_t i = 0; i < 128; i++)
		full.table[i] = 255 - i;
	assert_int_equal(grant_maps_map(&maps, &fds, 0), 0);
	grant_maps_fill(&maps, &full);
	read_map(fds.table, got);
	for (size_t i = 0; i < 128; i++)
		assert_int_equal(got[8 * i], 255 - i);
	grant_maps_unmap_steering(&maps);
	grant_maps_unmap_steering(&maps); /* is harmless */
	assert_null(maps.steering);
	grant_maps_done(&maps);
	set_fds_done(&fds);
}

/* --- counters --------------------------------------------------------------- */

static void counters_are_added_up(void **state)
{
	static struct rss_stats cpus[FAKE_CPUS];
	static struct rssb_reply_stats sum;
	struct grant_maps maps = GRANT_MAPS_INIT;
	struct set_fds fds = fake_set_fds(true);

	for (unsigned cpu = 0; cpu < FAKE_CPUS; cpu++) {
		cpus[cpu].queue[0] = (struct rss_count){ 1 + cpu, 100 };
		cpus[cpu].queue[255] = (struct rss_count){ 1ull << (40 + cpu), 7 };
		cpus[cpu].entry[0].packets = 2;
		cpus[cpu].entry[127].bytes = 3 * (cpu + 1);
		cpus[cpu].hashed[8] = 5 * (cpu + 1);
		cpus[cpu].fallback[3] = 7 * (cpu + 1);
	}
	assert_int_equal(pwrite(fds.stats, cpus, sizeof(cpus), 0), sizeof(cpus));
	assert_int_equal(grant_maps_map(&maps, &fds, FAKE_CPUS), 0);
	set_fds_done(&fds);
	grant_maps_read_stats(&maps, &sum);
	assert_int_equal(sum.queue[0].packets, 6);
	assert_int_equal(sum.queue[0].bytes, 300);
	assert_int_equal(sum.queue[255].packets, 7ull << 40);
	assert_int_equal(sum.queue[254].packets, 0);
	assert_int_equal(sum.entry[0].packets, 6);
	assert_int_equal(sum.entry[127].bytes, 18);
	assert_int_equal(sum.hashed[8], 30);
	assert_int_equal(sum.hashed[0], 0);
	assert_int_equal(sum.fallback[3], 42);
	grant_maps_done(&maps);
	assert_null(maps.stats);
}

/* --- who owns what -------------------------------------------------------------- */

/* Program, config, key, table, counters: as the loader sends them. */
static void list_order(void **state)
{
	const struct set_fds none = SET_FDS_INIT;
	struct set_fds set = { .prog = 10, .config = 11, .key = 12, .table = 13, .stats = -1 };

	assert_int_equal(set_fds_count(&none), 0);
	assert_int_equal(set_fds_count(&set), 4);
	set.stats = 14;
	assert_int_equal(set_fds_count(&set), 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(set.list[i], 10 + i);
}

static void set_is_made(bool counts)
{
	unsigned before = open_fds();
	struct set_fds fds = fake_set_fds(counts);
	struct set set = SET_INIT;

	assert_int_equal(set_init(&set, &fds, FAKE_CPUS), 0);
	assert_int_equal(fds.prog, -1); /* taken */
	assert_int_equal(fds.stats, -1);
	assert_true(set.fds.prog >= 0 && set.fds.table >= 0);
	assert_int_equal(set.fds.stats, -1); /* mapped, and closed */
	assert_int_equal(set.maps.stats != NULL, counts);
	assert_non_null(set.maps.steering);
	assert_int_equal(open_fds(), before + 4 + 2);

	assert_int_equal(fcntl(set.lease_read, F_GETFL) & (O_ACCMODE | O_NONBLOCK),
			 O_RDONLY | O_NONBLOCK);
	assert_int_equal(fcntl(set.lease_read, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(set.lease_read, F_GETPIPE_SZ), sysconf(_SC_PAGESIZE));
	assert_int_equal(write(set.maps.lease_write, "x", 1), 1);
	set_done(&set);
	set_done(&set); /* is harmless */
	assert_int_equal(open_fds(), before);
}

static void sets_are_made(void **state)
{
	set_is_made(false);
	set_is_made(true);
}

static void parts_are_given_up(void **state)
{
	unsigned before = open_fds();
	struct rssb_request_acquire program_only = { .kind = RSSB_KIND_PROGRAM_ONLY,
						     .steering = steering };
	struct set_fds fds = fake_set_fds(false);
	struct set set = SET_INIT;

	assert_int_equal(set_init(&set, &fds, FAKE_CPUS), 0);
	set_divide(&set, &program_only);
	assert_true(set.fds.prog >= 0);
	assert_int_equal(set.fds.config, -1);
	assert_int_equal(set.fds.key, -1);
	assert_int_equal(set.fds.table, -1);
	assert_int_equal(open_fds(), before + 1 + 2);
	program_only.flags |= RSSB_ACQUIRE_KEEP;
	set_divide(&set, &program_only);
	assert_int_equal(set.lease_read, -1);
	assert_int_equal(set.maps.lease_write, -1);
	assert_int_equal(open_fds(), before + 1);
	grant_maps_fill(&set.maps, &steering); /* the maps are still mapped */
	set_done(&set);
	assert_int_equal(open_fds(), before);
}

/* Fds that are no such maps: the set is not made, and they stay where they were. */
static void wrong_fds(void **state)
{
	unsigned before = open_fds();

	for (unsigned wrong = 0; wrong < 4; wrong++) {
		struct set_fds fds = fake_set_fds(true);
		int *which[] = { &fds.config, &fds.key, &fds.table, &fds.stats };
		struct set set = SET_INIT;

		fd_closep(which[wrong]);
		*which[wrong] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		assert_int_equal(set_init(&set, &fds, FAKE_CPUS), -ENODEV);
		assert_true(fds.prog >= 0 && *which[wrong] >= 0);
		assert_null(set.maps.steering);
		assert_null(set.maps.stats);
		assert_int_equal(set.lease_read, -1);
		set_fds_done(&fds);
		assert_int_equal(open_fds(), before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout),
		cmocka_unit_test(filled_again),
		cmocka_unit_test(key_stays),
		cmocka_unit_test(whole_table),
		cmocka_unit_test(counters_are_added_up),
		cmocka_unit_test(list_order),
#ifdef __x86_64__
		cmocka_unit_test(configuration_comes_last_and_at_once),
#endif
		cmocka_unit_test(sets_are_made),
		cmocka_unit_test(parts_are_given_up),
		cmocka_unit_test(wrong_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
