/* SPDX-License-Identifier: MIT */
/* Adds users and groups to the policy.  Must not be used once requests are served. */
#include "broker/start/policy_names.h"

#include <errno.h>

#include "broker/start/user_lookup.h"

int policy_allow_user(struct policy *p, const char *user)
{
	struct identity id;
	int err = user_lookup(user, &id);

	if (err)
		return err;
	if (p->n_uids == POLICY_NAMES_MAX)
		return -E2BIG;
	p->uids[p->n_uids++] = id.uid;
	return 0;
}

int policy_allow_group(struct policy *p, const char *group)
{
	gid_t gid;
	int err = group_lookup(group, &gid);

	if (err)
		return err;
	if (p->n_gids == POLICY_NAMES_MAX)
		return -E2BIG;
	p->gids[p->n_gids++] = gid;
	return 0;
}
