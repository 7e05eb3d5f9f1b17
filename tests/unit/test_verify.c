/* SPDX-License-Identifier: MIT */
/* rssb_fds_verify() against real BPF objects, right ones and look-alikes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <unistd.h>

#include "bpf/rss_maps.h"
#include "client/include/rssb.h"
#include "proto/util/fd.h"

static int map_create(enum bpf_map_type type, const char *name, uint32_t value_size,
		      uint32_t max_entries, uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	char cut[BPF_OBJ_NAME_LEN] = { 0 };
	int fd;

	for (size_t i = 0; i < sizeof(cut) - 1 && name[i]; i++)
		cut[i] = name[i];
	fd = bpf_map_create(type, cut, sizeof(uint32_t), value_size, max_entries, &opts);
	assert_true(fd >= 0);
	return fd;
}

/* r1 = map, for each map; return 0. */
static int prog_load(enum bpf_prog_type type, const char *name, const int *maps, size_t n)
{
	struct bpf_insn insns[2 * 3 + 2];
	size_t len = 0;
	int fd;

	for (size_t i = 0; i < n; i++) {
		insns[len++] = (struct bpf_insn){ .code = BPF_LD | BPF_DW | BPF_IMM,
						  .dst_reg = 1,
						  .src_reg = BPF_PSEUDO_MAP_FD,
						  .imm = maps[i] };
		insns[len++] = (struct bpf_insn){ 0 };
	}
	insns[len++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K };
	insns[len++] = (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT };
	fd = bpf_prog_load(type, name, "Dual MIT/GPL", insns, len, NULL);
	assert_true(fd >= 0);
	return fd;
}

static struct rssb_fds right_set(void)
{
	struct rssb_fds fds = RSSB_FDS_INIT;
	int lease[2];

	fds.config = map_create(BPF_MAP_TYPE_ARRAY, RSS_MAP_CONFIG_NAME, 10, 1, BPF_F_MMAPABLE);
	fds.key = map_create(BPF_MAP_TYPE_ARRAY, RSS_MAP_KEY_NAME, 40, 1, BPF_F_MMAPABLE);
	fds.table = map_create(BPF_MAP_TYPE_ARRAY, RSS_MAP_TABLE_NAME, 2, 128, BPF_F_MMAPABLE);
	fds.prog = prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "tun_rss_steerin",
			     (int[]){ fds.config, fds.key, fds.table }, 3);
	assert_int_equal(pipe2(lease, O_CLOEXEC), 0);
	fds.lease = lease[0];
	fd_closep(&lease[1]);
	return fds;
}

static void the_right_ones(void **state)
{
	struct rssb_fds fds = right_set(), none = RSSB_FDS_INIT;

	assert_int_equal(rssb_fds_verify(&fds), 0);
	assert_int_equal(rssb_fds_verify(&none), 0);
	fd_closep(&fds.key);
	assert_int_equal(rssb_fds_verify(&fds), 0);
	fd_closep(&fds.prog);
	assert_int_equal(rssb_fds_verify(&fds), 0);
	rssb_fds_close(&fds);
}

/* Puts other in the place of *slot, expects a refusal, and puts it right again. */
static void refused(struct rssb_fds *fds, int *slot, int other, int want)
{
	int right = *slot;

	*slot = other;
	assert_int_equal(rssb_fds_verify(fds), want);
	*slot = right;
}

static void swapped_ones(void **state)
{
	struct rssb_fds fds = right_set();

	refused(&fds, &fds.prog, fds.config, -EINVAL);
	refused(&fds, &fds.prog, fds.lease, -EINVAL);
	refused(&fds, &fds.config, fds.key, -EINVAL);
	refused(&fds, &fds.key, fds.table, -EINVAL);
	refused(&fds, &fds.table, fds.prog, -EINVAL);
	refused(&fds, &fds.lease, fds.prog, -EINVAL);
	refused(&fds, &fds.prog, 9999, -EBADF);
	refused(&fds, &fds.key, 9999, -EBADF);
	refused(&fds, &fds.lease, 9999, -EBADF);
	assert_int_equal(rssb_fds_verify(&fds), 0);
	rssb_fds_close(&fds);
}

static void other_sets_maps(void **state)
{
	struct rssb_fds fds = right_set(), other = right_set();

	refused(&fds, &fds.config, other.config, -EINVAL);
	refused(&fds, &fds.key, other.key, -EINVAL);
	refused(&fds, &fds.table, other.table, -EINVAL);
	refused(&fds, &fds.prog, other.prog, -EINVAL);
	rssb_fds_close(&fds);
	rssb_fds_close(&other);
}

static void look_alikes(void **state)
{
	static const struct {
		enum bpf_map_type type;
		const char *name;
		uint32_t value_size, max_entries, flags;
	} maps[] = {
		{ BPF_MAP_TYPE_HASH, RSS_MAP_KEY_NAME, 40, 1, 0 },
		{ BPF_MAP_TYPE_ARRAY, "another_name", 40, 1, BPF_F_MMAPABLE },
		{ BPF_MAP_TYPE_ARRAY, RSS_MAP_KEY_NAME, 44, 1, BPF_F_MMAPABLE },
		{ BPF_MAP_TYPE_ARRAY, RSS_MAP_KEY_NAME, 40, 2, BPF_F_MMAPABLE },
		{ BPF_MAP_TYPE_ARRAY, RSS_MAP_KEY_NAME, 40, 1, 0 },
	};
	struct rssb_fds fds = right_set();
	int lone = fds.prog, fd;

	fds.prog = -1; /* or each would be refused for not being its map */
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		fd = map_create(maps[i].type, maps[i].name, maps[i].value_size, maps[i].max_entries,
				maps[i].flags);
		refused(&fds, &fds.key, fd, -EINVAL);
		fd_closep(&fd);
	}
	fds.prog = lone;
	rssb_fds_close(&fds);
}

/* A hash map's type is the number of a socket filter's. */
static void other_programs(void **state)
{
	struct rssb_fds fds = RSSB_FDS_INIT;
	int fd;

	fd = map_create(BPF_MAP_TYPE_HASH, "tun_rss_steerin", 40, 1, 0);
	refused(&fds, &fds.prog, fd, -EINVAL);
	fd_closep(&fd);
	fd = prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "another", NULL, 0);
	refused(&fds, &fds.prog, fd, -EINVAL);
	fd_closep(&fd);
	fd = prog_load(BPF_PROG_TYPE_SCHED_CLS, "tun_rss_steerin", NULL, 0);
	refused(&fds, &fds.prog, fd, -EINVAL);
	fd_closep(&fd);
}

static void other_leases(void **state)
{
	struct rssb_fds fds = RSSB_FDS_INIT;
	int ends[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	refused(&fds, &fds.lease, ends[0], 0);
	refused(&fds, &fds.lease, ends[1], -EINVAL);
	refused(&fds, &fds.lease, null, -EINVAL);
	fd_closep(&ends[0]);
	fd_closep(&ends[1]);
	fd_closep(&null);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_ones),  cmocka_unit_test(swapped_ones),
		cmocka_unit_test(other_sets_maps), cmocka_unit_test(look_alikes),
		cmocka_unit_test(other_programs),  cmocka_unit_test(other_leases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
