/* SPDX-License-Identifier: MIT */
/* Names of users and groups to numbers; at start only, since it reads files. */
#pragma once

#include "broker/common/privileges.h"

/* A name or a number; a number without an entry is its own group.  -ENOENT: no such user. */
int user_lookup(const char *user, struct identity *ret);

/* A name or a number.  -ENOENT: no such group. */
int group_lookup(const char *group, gid_t *ret);
