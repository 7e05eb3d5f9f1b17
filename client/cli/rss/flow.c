/* SPDX-License-Identifier: MIT */
/* Reads flows as people write them.  Pure: no name is ever looked up. */
#include "client/cli/rss/flow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/option_table.h"

#define ADDRESS_MAX INET6_ADDRSTRLEN /* with the NUL */

static int parse_port(struct flow_end *end, const char *text)
{
	unsigned port;

	if (option_number(text, 0, UINT16_MAX, &port))
		return -EINVAL;
	end->has_port = true;
	end->port = (uint16_t)port;
	return 0;
}

/* Where address and port are in the text. */
struct pieces {
	const char *address;
	size_t address_len;
	const char *port; /* NULL: none */
};

/* A colon before a port is one outside brackets, and the only one. */
static int split(struct pieces *ret, const char *text)
{
	const char *colon = strchr(text, ':'), *bracket;

	*ret = (struct pieces){ text, strlen(text), NULL };
	if (text[0] == '[') {
		bracket = strchr(text, ']');
		if (!bracket || (bracket[1] && bracket[1] != ':'))
			return -EINVAL;
		*ret = (struct pieces){ text + 1, (size_t)(bracket - text) - 1,
					bracket[1] ? bracket + 2 : NULL };
	} else if (colon && !strchr(colon + 1, ':')) {
		*ret = (struct pieces){ text, (size_t)(colon - text), colon + 1 };
	}
	return 0;
}

static int parse_address(struct flow_end *end, const char *text, const char **ret_port)
{
	char address[ADDRESS_MAX];
	struct pieces pieces;

	if (split(&pieces, text) || pieces.address_len >= sizeof(address))
		return -EINVAL;
	memcpy(address, pieces.address, pieces.address_len);
	address[pieces.address_len] = '\0';

	if (text[0] != '[' && inet_pton(AF_INET, address, end->address) == 1)
		end->version = 4;
	else if (inet_pton(AF_INET6, address, end->address) == 1)
		end->version = 6;
	else
		return -EINVAL;
	*ret_port = pieces.port;
	return 0;
}

int flow_end_parse(struct flow_end *ret, const char *text, char why[WHY_MAX])
{
	struct flow_end end = { 0 };
	const char *port = NULL;

	if (parse_address(&end, text, &port))
		return why_set(why, -EINVAL,
			       "%s: not an address like 192.0.2.1, 192.0.2.1:80, "
			       "2001:db8::1 or [2001:db8::1]:80",
			       text);
	if (port && parse_port(&end, port))
		return why_set(why, -EINVAL, "%s: a port is a number from 0 to %u", text,
			       UINT16_MAX);
	*ret = end;
	return 0;
}

static int parse_proto(const char *proto, bool ports, enum flow_proto *ret)
{
	if (!proto)
		*ret = ports ? FLOW_TCP : FLOW_OTHER;
	else if (strcmp(proto, "tcp") == 0)
		*ret = FLOW_TCP;
	else if (strcmp(proto, "udp") == 0)
		*ret = FLOW_UDP;
	else if (strcmp(proto, "none") == 0)
		*ret = FLOW_OTHER;
	else
		return -EINVAL;
	return 0;
}

int flow_join(struct flow *ret, const struct flow_end *src, const struct flow_end *dst,
	      const char *proto, char why[WHY_MAX])
{
	struct flow flow = { .version = src->version, .sport = src->port, .dport = dst->port };
	const char *wrong = NULL;

	memcpy(flow.src, src->address, sizeof(flow.src));
	memcpy(flow.dst, dst->address, sizeof(flow.dst));

	if (src->version != dst->version)
		wrong = "source and destination are of different IP versions";
	else if (src->has_port != dst->has_port)
		wrong = "give both ports or none";
	else if (parse_proto(proto, src->has_port, &flow.proto))
		wrong = "--proto is tcp, udp or none";
	else if (flow.proto != FLOW_OTHER && !src->has_port)
		wrong = "--proto tcp and udp need ports";
	else if (flow.proto == FLOW_OTHER && src->has_port)
		wrong = "--proto none has no ports";
	if (wrong)
		return why_set(why, -EINVAL, "%s", wrong);
	*ret = flow;
	return 0;
}
