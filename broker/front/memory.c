/* SPDX-License-Identifier: MIT */
/* The broker's memory cgroup, of either version.  Opens files at start only. */
#include "broker/front/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/common/log.h"
#include "proto/fd.h"

#define READ_EVERY_MS 100
#define NO_LIMIT      (1ull << 60) /* version 1 writes a number like it for "none" */
#define PATH_LEN      512

/* Where each version keeps what we want to know. */
static const struct layout {
	const char *line; /* how its line of /proc/self/cgroup goes on after the number */
	const char *root, *limit, *current;
} layouts[] = {
	{ ":memory:", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes" },
	{ "::", "/sys/fs/cgroup", "memory.max", "memory.current" },
};

/* This process's cgroup in a layout, "/" for the root.  False: it has none. */
static bool cgroup_path(const struct layout *l, char ret[PATH_LEN])
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[PATH_LEN];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		const char *rest = line + strspn(line, "0123456789");

		found = !strncmp(rest, l->line, strlen(l->line));
		if (found)
			strcpy(ret, rest + strlen(l->line));
	}
	fclose(f);
	if (found)
		ret[strcspn(ret, "\n")] = '\0';
	return found;
}

/* The number in a file; 0 for "max", which is no number, and for no file. */
static uint64_t read_number(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0); /* #syscalls:front pread64 */

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtoull(text, NULL, 10);
}

static int open_file(const struct layout *l, const char *cgroup, const char *name)
{
	char path[PATH_LEN + 64];

	snprintf(path, sizeof(path), "%s%s/%s", l->root, cgroup, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Whether a cgroup, "" for the root, has a limit; if so it is the one to watch. */
static bool limit_read(struct memory *m, const struct layout *l, const char *cgroup)
{
	_cleanup_fd_ int limit = open_file(l, cgroup, l->limit);

	m->limit = limit < 0 ? 0 : read_number(limit);
	if (!m->limit || m->limit >= NO_LIMIT)
		return false;
	m->current = open_file(l, cgroup, l->current);
	return m->current >= 0;
}

/* Goes up from a cgroup to the first that has a limit.  In a container the root has it. */
static bool limit_find(struct memory *m, const struct layout *l, char cgroup[PATH_LEN])
{
	while (cgroup[0] == '/') {
		if (cgroup[1] && limit_read(m, l, cgroup))
			return true;
		*strrchr(cgroup, '/') = '\0';
	}
	return limit_read(m, l, "");
}

void memory_open(struct memory *ret, unsigned percent)
{
	char cgroup[PATH_LEN];

	*ret = (struct memory)MEMORY_INIT;
	ret->percent = percent;
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (cgroup_path(&layouts[i], cgroup) && limit_find(ret, &layouts[i], cgroup)) {
			log_info("memory: grants stop at %u %% of %llu bytes", percent,
				 (unsigned long long)ret->limit);
			return;
		}
	}
	ret->limit = 0;
}

uint64_t memory_used(const struct memory *m)
{
	return m->current < 0 ? 0 : read_number(m->current);
}

bool memory_is_tight(struct memory *m, uint64_t now_ms)
{
	if (m->current < 0 || now_ms < m->read_ms + READ_EVERY_MS)
		return m->tight;
	m->read_ms = now_ms;
	m->tight = memory_used(m) > m->limit / 100 * m->percent;
	return m->tight;
}
