/* SPDX-License-Identifier: MIT */
/* What the command line decides for the front. */
#pragma once

#include "broker/front/limits.h"
#include "broker/front/policy.h"

#define BROKER_GROUP "rss-broker" /* its members may make requests by default */

struct front_settings {
	struct policy policy; /* who was allowed by option */
	unsigned pool;	      /* ready sets of the first object */
	struct limits limits;
};
