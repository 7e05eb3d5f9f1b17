/* SPDX-License-Identifier: MIT */
/*
 * The facts of the broker.  Its test is a real request: it gets a steering set and closes it at
 * once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands/doctor/doctor.h"
#include "client/cli/util/cli.h"
#include "client/cli/util/mem.h"

static char *reason(const struct rssb *c, int error)
{
	return mem_format("%s", c ? rssb_reason(c) : strerror(-error));
}

static int objects_list(struct rssb *c, struct doctor_broker *b)
{
	int r = 0;

	b->objects = mem_new(b->info.n_objects, sizeof(*b->objects));
	for (; b->n_objects < b->info.n_objects && r == 0; b->n_objects += r == 0)
		r = rssb_object(c, b->n_objects, &b->objects[b->n_objects]);
	return r;
}

static void grant_try(struct rssb *c, struct doctor_broker *b)
{
	const struct rssb_acquire_options request = {
		.size = sizeof(request),
		.kind = RSSB_HANDOFF,
	};
	struct rssb_fds fds = RSSB_FDS_INIT;
	struct rssb_grant grant;

	b->grant = rssb_acquire(c, &request, &fds, &grant);
	if (b->grant) {
		b->grant_why = reason(c, b->grant);
		return;
	}
	b->grant = rssb_fds_verify(&fds);
	if (b->grant == -EOPNOTSUPP) /* an older kernel does not tell what an fd is */
		b->grant = 0;
	if (b->grant)
		b->grant_why =
			mem_format("the broker sent fds that are not a program and its maps");
	rssb_fds_close(&fds);
}

void doctor_collect_broker(struct doctor *d)
{
	struct doctor_broker *b = &d->broker;
	struct rssb *c = NULL;

	b->error = rssb_connect(&c, d->socket);
	if (b->error == -EACCES)
		b->access = cli_access_advice(d->socket);
	if (!b->error)
		b->error = rssb_info(c, &b->info);
	if (!b->error)
		b->error = objects_list(c, b);
	if (b->error)
		b->why = reason(c, b->error);
	else
		grant_try(c, b);
	rssb_close(c);
}
