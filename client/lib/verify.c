/* SPDX-License-Identifier: MIT */
/*
 * Asks the kernel what the fds of a grant are.  Needs no privilege where the
 * kernel allows that, and must never guess where it does not.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf/rss_maps.h"
#include "client/include/rssb.h"

#define MAP_IDS_MAX 8 /* more than any steering program has */

static int object_info(int fd, void *info, uint32_t size)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = size;
	attr.info.info = (uint64_t)(uintptr_t)info;
	if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) == 0)
		return 0;
	if (errno == EBADFD) /* what this one call says of a closed fd */
		return -EBADF;
	return errno == EPERM ? -EOPNOTSUPP : -errno;
}

/* The kernel keeps the first BPF_OBJ_NAME_LEN - 1 bytes of a name. */
static bool name_is(const char *kernels, const char *name)
{
	return strncmp(kernels, name, BPF_OBJ_NAME_LEN - 1) == 0;
}

/*
 * The call answers for maps, too, with another struct, so a type alone proves
 * nothing; the name lies where a map has its BTF ids.
 */
static int verify_prog(int fd, uint32_t map_ids[MAP_IDS_MAX], uint32_t *ret_n)
{
	struct bpf_prog_info info = {
		.nr_map_ids = MAP_IDS_MAX,
		.map_ids = (uint64_t)(uintptr_t)map_ids,
	};
	int r = object_info(fd, &info, sizeof(info));

	if (r)
		return r;
	if (info.type != BPF_PROG_TYPE_SOCKET_FILTER || !name_is(info.name, RSS_PROG_NAME))
		return -EINVAL;
	*ret_n = info.nr_map_ids < MAP_IDS_MAX ? info.nr_map_ids : MAP_IDS_MAX;
	return 0;
}

struct map_shape {
	const char *name;
	uint32_t value_size, max_entries;
};

static int verify_map(int fd, const struct map_shape *shape, uint32_t *ret_id)
{
	struct bpf_map_info info = { 0 };
	int r = object_info(fd, &info, sizeof(info));

	if (r)
		return r;
	if (info.type != BPF_MAP_TYPE_ARRAY || !name_is(info.name, shape->name) ||
	    info.key_size != sizeof(uint32_t) || info.value_size != shape->value_size ||
	    info.max_entries != shape->max_entries || !(info.map_flags & BPF_F_MMAPABLE))
		return -EINVAL;
	*ret_id = info.id;
	return 0;
}

static int verify_maps(const struct rssb_fds *fds, const uint32_t *prog_map_ids, uint32_t n)
{
	const struct {
		int fd;
		struct map_shape shape;
	} maps[] = {
		{ fds->config, { RSS_MAP_CONFIG_NAME, sizeof(struct rss_config), 1 } },
		{ fds->key, { RSS_MAP_KEY_NAME, RSS_KEY_LEN, 1 } },
		{ fds->table, { RSS_MAP_TABLE_NAME, sizeof(uint16_t), RSS_TABLE_MAX } },
	};

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		uint32_t id, j = 0;
		int r;

		if (maps[i].fd < 0)
			continue;
		r = verify_map(maps[i].fd, &maps[i].shape, &id);
		if (r)
			return r;
		while (j < n && prog_map_ids[j] != id)
			j++;
		if (fds->prog >= 0 && j == n)
			return -EINVAL;
	}
	return 0;
}

/* A lease is the read end of a pipe. */
static int verify_lease(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st))
		return -errno;
	return S_ISFIFO(st.st_mode) && (flags & O_ACCMODE) == O_RDONLY ? 0 : -EINVAL;
}

int rssb_fds_verify(const struct rssb_fds *fds)
{
	uint32_t map_ids[MAP_IDS_MAX] = { 0 }, n = 0;
	int r = 0;

	if (fds->lease >= 0)
		r = verify_lease(fds->lease);
	if (!r && fds->prog >= 0)
		r = verify_prog(fds->prog, map_ids, &n);
	if (!r)
		r = verify_maps(fds, map_ids, n);
	return r;
}
