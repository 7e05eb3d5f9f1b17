/* SPDX-License-Identifier: MIT */
/* What the broker tells of itself: root hears of all clients, others of their own account. */
#pragma once

#include "broker/front/operations.h"

int op_status(struct call *c);
int op_grant(struct call *c);
