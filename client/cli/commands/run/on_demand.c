/* SPDX-License-Identifier: MIT */
/*
 * librssb-qemu.so in the environment of what is executed.  With --on-demand it answers QEMU's own
 * request for a program; QEMU's arguments are not read.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/commands/run/run.h"
#include "client/cli/util/mem.h"

enum { WAIT_MS = 2000 }; /* the default: a VM may stand still while QEMU's main loop waits */

#define LIBRARY "librssb-qemu.so"

/*
 * Where librssb-qemu.so is, relative to rssb: in the build folder, as make install puts it, or
 * as a distribution does.
 */
static const char *const places[] = {
	"",
	"../lib/rss-broker/",
#ifdef MULTIARCH
	"../lib/" MULTIARCH "/rss-broker/",
#endif
	"../lib64/rss-broker/",
};

/* NULL: there is none. */
static char *library_find(void)
{
	char exe[PATH_MAX], real[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (len < 0)
		return NULL;
	exe[len] = '\0';
	slash = strrchr(exe, '/');
	for (size_t i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
		_cleanup_free_ char *path =
			mem_format("%.*s/%s" LIBRARY, (int)(slash - exe), exe, places[i]);

		if (realpath(path, real) && access(real, R_OK) == 0)
			return mem_format("%s", real);
	}
	return NULL;
}

int run_setenv(struct run_plan *plan, const char *name, const char *value)
{
	if (setenv(name, value, 1))
		return run_fail(plan, "%s: %s", name, strerror(errno));
	return CLI_OK;
}

/*
 * Adds ours after the user's own LD_PRELOAD: a sanitizer has to be first, and a library that
 * passes calls on reaches ours.
 */
int run_preload(struct run_plan *plan)
{
	_cleanup_free_ char *library = library_find(), *list = NULL;
	const char *users = getenv("LD_PRELOAD");

	if (!library)
		return run_fail(plan, LIBRARY " is not where rssb is installed (bin/rssb and "
					      "lib/rss-broker/" LIBRARY ")");
	if (strpbrk(library, " :"))
		return run_fail(plan, "%s: LD_PRELOAD cannot name a path with a space or a colon",
				library);
	list = users && *users ? mem_format("%s:%s", users, library) : mem_format("%s", library);
	return run_setenv(plan, "LD_PRELOAD", list);
}

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
