/* SPDX-License-Identifier: MIT */
/* A QEMU whose own request for a program is answered: its arguments are not looked at. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/util/mem.h"
#include "client/cli/commands/run/run.h"

enum { WAIT_MS = 2000 }; /* the default: a VM may stand still while QEMU's main loop waits */

/* The words before QEMU may change the directory. */
static int socket_name(struct run_plan *plan, const char *socket)
{
	_cleanup_free_ char *path = NULL;
	char cwd[PATH_MAX];

	if (!socket)
		socket = getenv("RSSB_SOCKET");
	if (!socket || !*socket)
		return CLI_OK;
	if (*socket == '/')
		return run_setenv(plan, "RSSB_SOCKET", socket);
	if (!getcwd(cwd, sizeof(cwd)))
		return run_fail(plan, "the working directory: %s", strerror(errno));
	path = mem_format("%s/%s", cwd, socket);
	return run_setenv(plan, "RSSB_SOCKET", path);
}

int run_on_demand_plan(struct run_plan *plan, const struct run_options *o)
{
	_cleanup_free_ char *words =
		mem_format("wait=%d%s%s", o->wait_ms < 0 ? WAIT_MS : o->wait_ms,
			   o->stats ? ",stats" : "", o->verbose ? ",verbose" : "");

	if (socket_name(plan, o->socket) || run_setenv(plan, "RSSB_ON_DEMAND", words))
		return CLI_FAILED;
	return run_preload(plan);
}
