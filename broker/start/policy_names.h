/* SPDX-License-Identifier: MIT */
/* The names of --allow-user and --allow-group, looked up once for the policy. */
#pragma once

#include "broker/front/policy.h"

/* Names or numbers.  -ENOENT: no such user or group; -E2BIG: more than POLICY_NAMES_MAX. */
int policy_allow_user(struct policy *p, const char *user);
int policy_allow_group(struct policy *p, const char *group);
