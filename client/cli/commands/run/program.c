/* SPDX-License-Identifier: MIT */
/*
 * A program that is no QEMU: it inherits one set, which $RSSB_FDS names, and if
 * it inherits a tap, that is steered already.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands/run/run.h"
#include "client/cli/net/tap.h"
#include "client/cli/util/mem.h"

/* The multi-queue tap that will be inherited. */
struct inherited {
	int queue; /* -1: none; borrowed */
	char name[IFNAMSIZ];
};

/* CLI_FAILED: there is another one already. */
static int inherited_add(struct run_plan *plan, struct inherited *tap, int fd)
{
	int flags = fcntl(fd, F_GETFD);
	char name[IFNAMSIZ], why[WHY_MAX];

	if (flags < 0 || flags & FD_CLOEXEC || tap_name(fd, name) || tap_check(fd, why))
		return CLI_OK;
	if (tap->queue >= 0 && strcmp(name, tap->name) != 0)
		return run_fail(
			plan,
			"the program inherits two taps, %s and %s, and only one can be steered: "
			"close one of them",
			tap->name, name);
	tap->queue = fd;
	memcpy(tap->name, name, sizeof(name));
	return CLI_OK;
}

static int inherited_find(struct run_plan *plan, struct inherited *tap)
{
	DIR *fds = opendir("/proc/self/fd");
	struct dirent *entry;
	int r = CLI_OK;

	if (!fds)
		return run_fail(plan, "/proc/self/fd: %s", strerror(errno));
	while (r == CLI_OK && (entry = readdir(fds)))
		if (entry->d_name[0] != '.')
			r = inherited_add(plan, tap, (int)strtol(entry->d_name, NULL, 10));
	closedir(fds);
	return r;
}

static int set_name(struct run_plan *plan, const struct rssb_fds *fds)
{
	_cleanup_free_ char *text = mem_format("program=%d,config=%d,key=%d,table=%d,lease=%d",
					       fds->prog, fds->config, fds->key, fds->table,
					       fds->lease);

	return run_setenv(plan, "RSSB_FDS", text);
}

int run_program_plan(struct run_plan *plan, const struct run_options *o)
{
	struct inherited tap = { .queue = -1 };
	const struct run_set *set;
	char why[WHY_MAX];

	if (inherited_find(plan, &tap) || run_sets_acquire(plan, o, 1, RSSB_HANDOFF))
		return CLI_FAILED;
	set = &plan->sets.v[0];
	run_tell_grant(o, o->command[0], set);
	if (tap.queue >= 0 && tap_steer(tap.queue, set->fds.prog, why))
		return run_fail(plan, "%s: %s", tap.name, why);
	return set_name(plan, &set->fds);
}
