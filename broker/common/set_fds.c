/* SPDX-License-Identifier: MIT */
/* The fds of a set.  Must never close what it does not own. */
#include "broker/common/set_fds.h"

#include "proto/fd.h"

/* The members in wire order. */
static void members(struct set_fds *fds, int *ret[SET_FDS_MAX])
{
	ret[0] = &fds->prog;
	ret[1] = &fds->config;
	ret[2] = &fds->key;
	ret[3] = &fds->table;
	ret[4] = &fds->stats;
}

size_t set_fds_to_array(const struct set_fds *fds, int ret[SET_FDS_MAX])
{
	struct set_fds copy = *fds;
	int *member[SET_FDS_MAX];
	size_t n = 0;

	members(&copy, member);
	while (n < SET_FDS_MAX && *member[n] >= 0) {
		ret[n] = *member[n];
		n++;
	}
	return n;
}

void set_fds_from_array(struct set_fds *ret, int fds[], size_t n)
{
	int *member[SET_FDS_MAX];

	members(ret, member);
	for (size_t i = 0; i < SET_FDS_MAX; i++)
		*member[i] = i < n ? fd_take(&fds[i]) : -1;
}

void set_fds_done(struct set_fds *fds)
{
	int *member[SET_FDS_MAX];

	members(fds, member);
	for (size_t i = 0; i < SET_FDS_MAX; i++)
		fd_closep(member[i]);
}
