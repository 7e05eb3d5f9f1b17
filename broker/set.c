/* SPDX-License-Identifier: MIT */
/*
 * A steering set and how its maps are filled.  Runs in the front: plain memory
 * writes, never bpf(2).
 */
#include "set.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/rss_maps.h"
#include "fd.h"

#define PAGE  4096ul /* each of the three maps fits one, and mmap takes no less */
#define PAGES 3

void set_fds_to_array(const struct set_fds *fds, int ret[SET_FDS])
{
	ret[0] = fds->prog;
	ret[1] = fds->config;
	ret[2] = fds->key;
	ret[3] = fds->table;
}

void set_fds_from_array(struct set_fds *ret, int fds[SET_FDS])
{
	ret->prog = fd_take(&fds[0]);
	ret->config = fd_take(&fds[1]);
	ret->key = fd_take(&fds[2]);
	ret->table = fd_take(&fds[3]);
}

void set_fds_done(struct set_fds *fds)
{
	fd_closep(&fds->prog);
	fd_closep(&fds->config);
	fd_closep(&fds->key);
	fd_closep(&fds->table);
}

/* Three neighbouring pages, so that one munmap gives up all of them. */
static int set_map(struct set *s, const struct set_fds *fds)
{
	const int maps[PAGES] = { fds->config, fds->key, fds->table };
	char *base;

	/* #syscalls:front mmap munmap */
	base = mmap(NULL, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	s->maps = base;
	for (size_t i = 0; i < PAGES; i++) {
		if (mmap(base + i * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 maps[i], 0) == MAP_FAILED) {
			int err = -errno;

			set_unmap(s);
			return err;
		}
	}
	return 0;
}

int set_init(struct set *ret, struct set_fds *fds)
{
	struct set s = SET_INIT;
	int lease[2], err;

	err = set_map(&s, fds);
	if (err)
		return err;
	/* #syscalls:front pipe2 */
	if (pipe2(lease, O_CLOEXEC | O_NONBLOCK)) {
		err = -errno;
		set_unmap(&s);
		return err;
	}
	s.lease_read = lease[0];
	s.lease_write = lease[1];
	s.fds = *fds;
	*fds = (struct set_fds)SET_FDS_INIT;
	*ret = s;
	return 0;
}

void set_fill(struct set *s, const struct rssb_steering_wire *steering)
{
	struct rss_config *config = s->maps;
	struct rss_key *key = (void *)((char *)s->maps + PAGE);
	char *table = (char *)s->maps + 2 * PAGE;
	uint32_t word0;

	for (size_t i = 0; i < steering->table_len; i++)
		memcpy(table + i * RSS_TABLE_STRIDE, &steering->table[i], sizeof(uint16_t));
	memcpy(&word0, steering->key, sizeof(word0));
	key->word0 = be32toh(word0);
	memcpy(key->rest, steering->key + sizeof(word0), sizeof(key->rest));
	*config = (struct rss_config){
		.redirect = 1,
		.hash_types = steering->hash_types,
		.table_len = steering->table_len,
		.default_queue = steering->default_queue,
	};
}

void set_unmap(struct set *s)
{
	if (s->maps)
		munmap(s->maps, PAGES * PAGE);
	s->maps = NULL;
}

void set_done(struct set *s)
{
	set_unmap(s);
	set_fds_done(&s->fds);
	fd_closep(&s->lease_read);
	fd_closep(&s->lease_write);
}
