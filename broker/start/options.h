/* SPDX-License-Identifier: MIT */
/* The command line of rss-broker: one table, which --help prints. */
#pragma once

#include <stdbool.h>

#include "broker/front/front.h"

#define BROKER_USER "rss-broker"

struct options {
	const char *socket;
	const char *user;
	const char *objects; /* a directory of further objects; NULL: none */
	struct front_settings front;
	bool no_perfmon;
	int log_level; /* LOG_ERR to LOG_DEBUG */
};

/* Returns 0: go on; 1: said what was asked for, end well; -EINVAL: said what is wrong. */
int options_parse(struct options *ret, int argc, char **argv);
