/* SPDX-License-Identifier: MIT */
/*
 * Gets a managed grant and tries, with all that it was given, to change its
 * steering behind the broker's back.  Prints one line for each attempt, "what:
 * error"; exit status 1 if one succeeded.  RSSB_SOCKET names the broker.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/include/rssb.h"

#define MAPS_MAX 8

static int succeeded;

/* r: of a system call, right after it. */
static void tried(const char *what, long r)
{
	int error = errno;

	printf("%s: %s\n", what, r < 0 ? strerrorname_np(error) : "SUCCEEDED");
	succeeded |= r >= 0;
}

static long sys_bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int acquire(struct rssb_fds *ret)
{
	static const uint8_t key[RSSB_KEY_BYTES];
	static const uint16_t table[] = { 0, 1 };
	const struct rssb_steering steering = {
		.size = sizeof(steering),
		.queues = 2,
		.table_len = 2,
		.table = table,
		.key = key,
	};
	const struct rssb_acquire_options options = {
		.size = sizeof(options),
		.kind = RSSB_MANAGED,
		.flags = RSSB_GRANT_STATS,
		.steering = &steering,
	};
	struct rssb *c;
	int r = rssb_connect(&c, NULL);

	if (!r)
		r = rssb_acquire(c, &options, ret, NULL);
	if (r)
		fprintf(stderr, "tamper: %s\n", rssb_reason(c));
	rssb_close(c);
	return r;
}

/* How many BPF objects this process has, by whatever way they came. */
static unsigned count_bpf_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	for (struct dirent *entry; (entry = readdir(dir));) {
		char target[64] = "";

		if (readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1) > 0)
			n += strncmp(target, "anon_inode:bpf", 14) == 0;
	}
	closedir(dir);
	return n;
}

/* The ids of the maps are no secret; fds for them are what must not be had. */
static unsigned try_maps_by_id(int prog)
{
	uint32_t ids[MAPS_MAX] = { 0 };
	struct bpf_prog_info info = {
		.nr_map_ids = MAPS_MAX,
		.map_ids = (uint64_t)(uintptr_t)ids,
	};
	union bpf_attr attr = {
		.info = { (uint32_t)prog, sizeof(info), (uint64_t)(uintptr_t)&info },
	};

	if (sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr))
		return 0;
	for (unsigned i = 0; i < info.nr_map_ids && i < MAPS_MAX; i++) {
		attr = (union bpf_attr){ .map_id = ids[i] };
		tried("map by id", sys_bpf(BPF_MAP_GET_FD_BY_ID, &attr));
	}
	return info.nr_map_ids;
}

static void try_prog_as_map(int prog)
{
	uint32_t key = 0;
	uint64_t value[8] = { 0 };
	union bpf_attr attr = { .map_fd = (uint32_t)prog };

	tried("freeze", sys_bpf(BPF_MAP_FREEZE, &attr));
	attr = (union bpf_attr){
		.map_fd = (uint32_t)prog,
		.key = (uint64_t)(uintptr_t)&key,
		.value = (uint64_t)(uintptr_t)value,
	};
	tried("update", sys_bpf(BPF_MAP_UPDATE_ELEM, &attr));
	attr.flags = 0;
	tried("lookup", sys_bpf(BPF_MAP_LOOKUP_ELEM, &attr));
}

static void try_files(int prog)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, prog, 0);
	char path[64];

	tried("mmap", p == MAP_FAILED ? -1 : 0);
	tried("write", write(prog, "x", 1));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", prog);
	tried("reopen", open(path, O_RDWR | O_CLOEXEC));
}

int main(void)
{
	struct rssb_fds fds = RSSB_FDS_INIT;
	unsigned maps;

	if (acquire(&fds))
		return 2;
	if (fds.config >= 0 || fds.key >= 0 || fds.table >= 0 || count_bpf_fds() != 1) {
		fprintf(stderr, "tamper: it got more than the program\n");
		return 2;
	}
	maps = try_maps_by_id(fds.prog);
	try_prog_as_map(fds.prog);
	try_files(fds.prog);
	printf("maps: %u\n", maps);
	rssb_fds_close(&fds);
	return succeeded;
}
