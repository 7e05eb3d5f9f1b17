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
	ROW("max-connections", connections, 1, 512, "connections in all"),
	ROW("max-uid-connections", uid_connections, 1, 512, "connections of one uid"),
	ROW("max-account-connections", account_connections, 1, 512, "connections"),
	ROW("max-account-unread", account_unread, 1, 512, "replies that were not read"),
	ROW("max-grants", grants, 1, GRANTS_MAX, "live grants in all"),
	ROW("max-uid-grants", uid_grants, 1, GRANTS_MAX, "live grants of one uid"),
	ROW("max-account-grants", account_grants, 1, GRANTS_MAX, "live grants"),
	ROW("ended-grants", ended_grants, 1, 1000000, "ended grants: fds may live on"),
	ROW("ended-refill", ended_refill_s, 1, 86400, "seconds to forget one of them"),
	ROW("rate-burst", rate_burst, 1, 1000000, "grants at once"),
	ROW("rate", rate, 1, 1000, "grants a second, after that"),
	ROW("penalty-malformed", penalty_malformed_s, 0, 600, "seconds, for a bad request"),
	ROW("penalty-fd", penalty_fd_s, 0, 600, "seconds, for an fd it sent"),
	ROW("penalty-timeout", penalty_timeout_s, 0, 600, "seconds, for a deadline"),
	ROW("penalty-max", penalty_max_s, 1, 86400, "seconds, for all together"),
	ROW("first-request-timeout", first_request_ms, 10, 600000, "ms from connect to a request"),
	ROW("read-reply-timeout", read_reply_ms, 10, 600000, "ms to read a reply"),
	ROW("memory-percent", memory_percent, 1, 100, "of its cgroup's, for new grants"),
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
