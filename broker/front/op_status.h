/* SPDX-License-Identifier: MIT */
/* What the broker tells of itself: root hears of all clients, others of their own account. */
#pragma once

#include "broker/front/operations.h"

int op_status(struct service *s, struct account *account, const union rssb_request *request,
	      struct outcome *ret);
int op_grant(struct service *s, struct account *account, const union rssb_request *request,
	     struct outcome *ret);
