/* SPDX-License-Identifier: MIT */
/* The checks of the broker.  Pure. */
#include <errno.h>
#include <string.h>

#include "client/cli/commands/doctor/doctor.h"
#include "client/cli/util/mem.h"

/* What helps against an error of librssb; to be freed. */
static char *remedy(const struct doctor *d, int error)
{
	switch (error) {
	case -ENOENT:
	case -ECONNREFUSED:
		return mem_format("systemctl enable --now rss-broker.socket");
	case -EACCES:
		/* Without `access` the socket let the user in, and the broker's policy refused. */
		return mem_format("%s", d->broker.access ? d->broker.access
							 : "systemctl cat rss-broker shows its "
							   "--allow-user and --allow-group");
	case -EPROTOTYPE:
	case -ENAMETOOLONG:
		return mem_format("rssb --socket PATH, or RSSB_SOCKET=PATH");
	case -EDQUOT:
		return mem_format("rssb release GRANT, or end what holds grants");
	case -EBADMSG:
		return mem_format("raise ulimit -n; with SELinux: ausearch -m avc -ts recent");
	case -EPROTONOSUPPORT:
		return mem_format("install rssb and rss-broker of one version, and systemctl "
				  "restart rss-broker");
	case -ETIMEDOUT:
		return mem_format("systemctl restart rss-broker");
	default:
		return mem_format("journalctl -u rss-broker");
	}
}

struct doctor_finding doctor_reachable(const struct doctor *d)
{
	const struct doctor_broker *b = &d->broker;

	if (b->error)
		return doctor_problem(remedy(d, b->error), "%s", b->why);
	return doctor_ok("rss-broker %s answers", b->info.version);
}

struct doctor_finding doctor_version(const struct doctor *d)
{
	const struct doctor_broker *b = &d->broker;

	if (b->error)
		return doctor_skip("the broker did not answer");
	if (strcmp(b->info.version, PACKAGE_VERSION) != 0)
		return doctor_problem(mem_format("systemctl restart rss-broker, once both are of "
						 "one version"),
				      "rssb is %s, and the broker that runs is %s", PACKAGE_VERSION,
				      b->info.version);
	return doctor_ok("rssb and the broker are both %s", PACKAGE_VERSION);
}

struct doctor_finding doctor_grant(const struct doctor *d)
{
	const struct doctor_broker *b = &d->broker;
	_cleanup_free_ char *user = NULL;

	if (b->error)
		return doctor_skip("the broker did not answer");
	user = doctor_user(d->uid);
	if (b->grant)
		return doctor_problem(b->grant == -ENOENT ? mem_format("journalctl -u rss-broker")
							  : remedy(d, b->grant),
				      "user %s gets no steering set: %s", user, b->grant_why);
	return doctor_ok("user %s gets a steering set", user);
}
