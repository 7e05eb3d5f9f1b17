/* SPDX-License-Identifier: MIT */
/* A flow as a person writes it: two addresses, perhaps with ports. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/cli/util/why.h"

enum flow_proto { FLOW_OTHER, FLOW_TCP, FLOW_UDP };

struct flow {
	int version; /* 4 or 6 */
	enum flow_proto proto;
	uint8_t src[16], dst[16]; /* network order; IPv4: the first four bytes */
	uint16_t sport, dport;	  /* host order; 0 with FLOW_OTHER */
};

/* One end of a flow. */
struct flow_end {
	int version;
	uint8_t address[16];
	bool has_port;
	uint16_t port;
};

/*
 * Parses "192.0.2.1", "192.0.2.1:80", "2001:db8::1" or "[2001:db8::1]:80".
 * -EINVAL, with why.
 */
int flow_end_parse(struct flow_end *ret, const char *text, char why[WHY_MAX]);

/* Joins two ends of one kind; proto NULL: tcp if they have ports, else none. */
int flow_join(struct flow *ret, const struct flow_end *src, const struct flow_end *dst,
	      const char *proto, char why[WHY_MAX]);
