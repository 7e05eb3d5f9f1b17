/* SPDX-License-Identifier: MIT */
/* Names of users and groups to numbers; at start only, since it reads files. */
#pragma once

#include "broker/common/privileges.h"
#include "broker/front/policy.h"

/* A name or a number; a number without an entry is its own group.  -ENOENT: no such user. */
int user_lookup(const char *user, struct identity *ret);

/*
 * Adds a user or a group, a name or a number, to those that may make requests.
 * -ENOENT: no such user or group; -E2BIG: more than POLICY_NAMES_MAX.
 */
int policy_allow_user(struct policy *p, const char *user);
int policy_allow_group(struct policy *p, const char *group);
