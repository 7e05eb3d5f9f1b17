/* SPDX-License-Identifier: MIT */
/* What one client may cost the others, as options. */
#include "broker/front/limits.h"

#include <errno.h>
#include <stdlib.h>

#include "broker/front/grant.h"

#define ROW(option, field, min, max, help)                                                         \
	{                                                                                          \
		option, offsetof(struct limits, field), min, max, help                             \
	}

const struct limit_row limit_rows[] = {
	ROW("max-connections", connections, 1, 512, "open connections, all clients together"),
	ROW("max-unread", unread, 1, 512, "replies that an account has yet to read"),
	ROW("max-grants", grants, 1, GRANTS_MAX, "live grants, all clients together"),
	ROW("memory-percent", memory_percent, 1, 100, "% of the memory limit that clients may use"),
	ROW("memory", memory_mib, 1, 1 << 20, "memory limit in MiB, if no cgroup has one"),
	ROW("share", share, 1, 1000, "a uid may hold 1/N of what is left"),
	ROW("ended-forgotten", ended_kib, 1, 1 << 20, "KiB of ended grants forgotten in a minute"),
	ROW("tokens", tokens, 1, 1000000000, "tokens an account may spend at once"),
	ROW("token-rate", token_rate, 1, 1000000, "tokens an account gets back in a second"),
	ROW("first-request-timeout", first_request_ms, 10, 600000,
	    "ms from connect() to the first request"),
	ROW("read-reply-timeout", read_reply_ms, 10, 600000,
	    "ms within which a reply must be read"),
	{ 0 },
};

static unsigned *field(struct limits *l, const struct limit_row *row)
{
	return (unsigned *)((char *)l + row->offset);
}

int limit_set(struct limits *l, const struct limit_row *row, const char *value)
{
	char *end;
	unsigned long n;

	if (value[0] < '0' || value[0] > '9')
		return -ERANGE;
	errno = 0;
	n = strtoul(value, &end, 10);
	if (errno || *end || n < row->min || n > row->max)
		return -ERANGE;
	*field(l, row) = (unsigned)n;
	return 0;
}

unsigned limit_get(const struct limits *l, const struct limit_row *row)
{
	return *field((struct limits *)l, row);
}
