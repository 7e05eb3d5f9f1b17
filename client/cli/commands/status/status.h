/* SPDX-License-Identifier: MIT */
/* The answers of the broker that rssb status shows, and the three forms in which it prints them. */
#pragma once

#include <stddef.h>

#include "client/include/rssb.h"

/* All that was asked; owns the grants. */
struct status {
	struct rssb_info info;
	struct rssb_broker_status broker;
	size_t n_grants;
	struct rssb_grant_info *grants;
};

/* To standard output; none can fail. */
void status_print_text(const struct status *s);
void status_print_json(const struct status *s);
void status_print_prometheus(const struct status *s);
