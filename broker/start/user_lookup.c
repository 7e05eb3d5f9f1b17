/* SPDX-License-Identifier: MIT */
/* Names of users and groups to numbers.  Must not be used once requests are served. */
#include "broker/start/user_lookup.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>

#include "proto/util/option_table.h"

#define ID_MAX (UINT32_MAX - 1) /* the kernel takes the number above for "none" */

int user_lookup(const char *user, struct identity *ret)
{
	const struct passwd *entry;
	uid_t uid;

	if (!option_number(user, 0, ID_MAX, &uid)) {
		entry = getpwuid(uid);
		ret->uid = uid;
		ret->gid = entry ? entry->pw_gid : uid;
		return 0;
	}
	entry = getpwnam(user);
	if (!entry)
		return -ENOENT;
	ret->uid = entry->pw_uid;
	ret->gid = entry->pw_gid;
	return 0;
}

static int id_add(uint32_t list[POLICY_NAMES_MAX], size_t *n, uint32_t id)
{
	if (*n == POLICY_NAMES_MAX)
		return -E2BIG;
	list[(*n)++] = id;
	return 0;
}

int policy_allow_user(struct policy *p, const char *user)
{
	struct identity id;
	int err = user_lookup(user, &id);

	return err ? err : id_add(p->uids, &p->n_uids, id.uid);
}

int policy_allow_group(struct policy *p, const char *group)
{
	const struct group *entry;
	gid_t gid;

	if (option_number(group, 0, ID_MAX, &gid)) {
		entry = getgrnam(group);
		if (!entry)
			return -ENOENT;
		gid = entry->gr_gid;
	}
	return id_add(p->gids, &p->n_gids, gid);
}
