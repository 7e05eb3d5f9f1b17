/* SPDX-License-Identifier: MIT */
/* librssb-qemu.so in the environment of what is executed. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/util/mem.h"
#include "client/cli/commands/run/run.h"

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
