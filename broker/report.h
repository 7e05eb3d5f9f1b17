/* SPDX-License-Identifier: MIT */
/* What the broker tells of itself: root hears of all clients, others of their own account. */
#pragma once

#include "request.h"

int report_status(struct service *s, struct account *account, const union rssb_request *request,
		  struct outcome *ret);
int report_grant(struct service *s, struct account *account, const union rssb_request *request,
		 struct outcome *ret);
