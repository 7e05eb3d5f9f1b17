/* SPDX-License-Identifier: MIT */
/* A steering set.  Runs in the front: no bpf(2) here. */
#include "broker/front/set.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "proto/fd.h"

static int grant_maps_map(struct grant_maps *hold, const struct set_fds *fds, unsigned n_blocks)
{
	int err = grant_maps_map_steering(hold, fds->config, fds->key, fds->table);

	return err || fds->stats < 0 ? err : grant_maps_map_stats(hold, fds->stats, n_blocks);
}

/*
 * Nobody writes into a lease, so it needs no more than a pipe's least: the room for
 * sixteen buffers weighs 1 KiB, and counts against pipe-user-pages-soft of our user.
 */
static int lease_open(int ret[2])
{
	/* #syscalls:front pipe2 fcntl */
	if (pipe2(ret, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	fcntl(ret[0], F_SETPIPE_SZ, 1); /* a page; where it fails it weighs more */
	return 0;
}

int set_init(struct set *ret, struct set_fds *fds, unsigned n_blocks)
{
	struct set s = SET_INIT;
	int lease[2] = { -1, -1 };
	int err = grant_maps_map(&s.hold, fds, n_blocks);

	if (!err)
		err = lease_open(lease);
	if (err) {
		grant_maps_done(&s.hold);
		return err;
	}
	s.lease_read = lease[0];
	s.hold.lease_write = lease[1];
	fd_closep(&fds->stats); /* the mapping is all we need */
	s.fds = *fds;
	*fds = (struct set_fds)SET_FDS_INIT;
	*ret = s;
	return 0;
}

void set_keep_program_only(struct set *s)
{
	fd_closep(&s->fds.config);
	fd_closep(&s->fds.key);
	fd_closep(&s->fds.table);
}

void set_drop_lease(struct set *s)
{
	fd_closep(&s->lease_read);
	fd_closep(&s->hold.lease_write);
}

void set_done(struct set *s)
{
	set_fds_done(&s->fds);
	fd_closep(&s->lease_read);
	grant_maps_done(&s->hold);
}
