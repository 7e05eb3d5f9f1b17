/* SPDX-License-Identifier: MIT */
/* A steering set.  Runs in the front: no bpf(2) here. */
#include "broker/front/set.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/fd.h"

/* What the kernel says that a program's own pages are; 0: it does not say. */
static uint64_t prog_pages(int prog)
{
	char path[64], text[1024];
	_cleanup_fd_ int info = -1;
	const char *at;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", prog);
	info = open(path, O_RDONLY | O_CLOEXEC);
	n = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
	if (n < 0)
		return 0;
	text[n] = '\0';
	at = strstr(text, "memlock:");
	return at ? strtoull(at + strlen("memlock:"), NULL, 10) : 0;
}

/*
 * A map is a page for itself and the pages of its values.  Beside a program's own pages the
 * kernel keeps a copy of each of its functions, in pages of its own, and what it knows of
 * them.  What is left is the fds' files, the lease, and a few bytes for each CPU.
 * Measured on Linux 6.18 with 2 CPUs: 60 KiB a set of rss, 85 of rss-stats; this says 68 and 88.
 */
uint64_t set_weigh(const struct set_fds *fds, const struct object *object,
		   const struct objects *objects)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), prog = prog_pages(fds->prog);
	uint64_t stats = objects->n_blocks * sizeof(struct rss_stats);
	uint64_t maps = 3 * 2 * page;

	if (fds->stats >= 0)
		maps += page + (stats + page - 1) / page * page;
	if (!prog) /* its instructions are part of the object */
		prog = (object->size + page - 1) / page * page;
	return maps + 4 * prog + 3 * page + 64ull * objects->n_cpus;
}

/*
 * Nobody writes into a lease, so the smallest pipe does: room for sixteen buffers costs 1 KiB, and
 * counts against pipe-user-pages-soft of the broker's user.
 */
static int lease_open(int ret[2])
{
	/* #syscalls:front pipe2 fcntl */
	if (pipe2(ret, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	fcntl(ret[0], F_SETPIPE_SZ, 1); /* one page; if that fails the pipe costs more memory */
	return 0;
}

int set_init(struct set *ret, struct set_fds *fds, unsigned n_blocks)
{
	struct set s = SET_INIT;
	int lease[2] = { -1, -1 };
	int err = grant_maps_map(&s.maps, fds, n_blocks);

	if (!err)
		err = lease_open(lease);
	if (err) {
		grant_maps_done(&s.maps);
		return err;
	}
	s.lease_read = lease[0];
	s.maps.lease_write = lease[1];
	fd_closep(&fds->stats); /* the mapping is all that is needed */
	s.fds = *fds;
	*fds = SET_FDS_INIT;
	*ret = s;
	return 0;
}

void set_divide(struct set *s, const struct rssb_request_acquire *acquire)
{
	if (!(acquire->flags & RSSB_ACQUIRE_NO_CONFIG))
		grant_maps_fill(&s->maps, &acquire->steering);
	if (acquire->kind != RSSB_KIND_HANDOFF) {
		fd_closep(&s->fds.config);
		fd_closep(&s->fds.key);
		fd_closep(&s->fds.table);
	}
	if (acquire->flags & RSSB_ACQUIRE_KEEP) {
		fd_closep(&s->lease_read);
		fd_closep(&s->maps.lease_write);
	}
}

void set_done(struct set *s)
{
	set_fds_done(&s->fds);
	fd_closep(&s->lease_read);
	grant_maps_done(&s->maps);
}
