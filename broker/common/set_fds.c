/* SPDX-License-Identifier: MIT */
/* The fds of a set.  Must never close what it does not own. */
#include "broker/common/set_fds.h"

#include "proto/util/fd.h"

size_t set_fds_to_array(const struct set_fds *fds, int ret[SET_FDS_MAX])
{
	size_t n = 0;

	for (; n < SET_FDS_MAX && fds->list[n] >= 0; n++)
		ret[n] = fds->list[n];
	return n;
}

void set_fds_from_array(struct set_fds *ret, int fds[], size_t n)
{
	for (size_t i = 0; i < SET_FDS_MAX; i++)
		ret->list[i] = i < n ? fd_take(&fds[i]) : -1;
}

void set_fds_done(struct set_fds *fds)
{
	for (size_t i = 0; i < SET_FDS_MAX; i++)
		fd_closep(&fds->list[i]);
}
