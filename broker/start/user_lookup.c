/* SPDX-License-Identifier: MIT */
/* Names of users and groups to numbers.  Must not be used once requests are served. */
#include "broker/start/user_lookup.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>

/* A whole decimal number that is an id; (id)-1 means "none" to the kernel. */
static bool id_parse(const char *text, uint32_t *ret)
{
	char *end;
	unsigned long long n;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end || n >= UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}

int user_lookup(const char *user, struct identity *ret)
{
	const struct passwd *entry;
	uint32_t uid;

	if (id_parse(user, &uid)) {
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

int group_lookup(const char *group, gid_t *ret)
{
	const struct group *entry;

	if (id_parse(group, ret))
		return 0;
	entry = getgrnam(group);
	if (!entry)
		return -ENOENT;
	*ret = entry->gr_gid;
	return 0;
}
