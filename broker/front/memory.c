/* SPDX-License-Identifier: MIT */
/* The broker's memory cgroup, of either version.  Opens files at start only. */
#include "broker/front/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/common/log.h"
#include "proto/util/fd.h"

#define READ_EVERY_MS 100
#define NO_LIMIT      (1ull << 60) /* cgroup v1 writes a number as large as this for no limit */
#define PATH_LEN      512

/* Where each version keeps what we want to know. */
static const struct layout {
	const char *line; /* how its line of /proc/self/cgroup goes on after the number */
	const char *root, *usage, *max, *high;
} layouts[] = {
	{ ":memory:", "/sys/fs/cgroup/memory", "memory.usage_in_bytes", "memory.limit_in_bytes",
	  NULL },
	{ "::", "/sys/fs/cgroup", "memory.current", "memory.max", "memory.high" },
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
	ssize_t n = fd < 0 ? 0 : pread(fd, text, sizeof(text) - 1, 0); /* #syscalls:front pread64 */

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtoull(text, NULL, 10);
}

static int open_file(const struct layout *l, const char *cgroup, const char *name)
{
	char path[PATH_LEN + 64];

	if (!name)
		return -1;
	snprintf(path, sizeof(path), "%s%s/%s", l->root, cgroup, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Adds a cgroup, "" for the root, that could have a limit, now or later. */
static void level_add(struct memory *m, const struct layout *l, const char *cgroup)
{
	struct memory_level *level = &m->levels[m->n_levels];

	if (m->n_levels == MEMORY_LEVELS_MAX)
		return;
	*level = (struct memory_level){ open_file(l, cgroup, l->usage),
					open_file(l, cgroup, l->max),
					open_file(l, cgroup, l->high) };
	if (level->usage >= 0 && level->max >= 0) {
		m->n_levels++;
		return;
	}
	fd_closep(&level->usage);
	fd_closep(&level->max);
	fd_closep(&level->high);
}

/* A cgroup and all above it.  In a container the root has the limit. */
static void levels_add(struct memory *m, const struct layout *l, char cgroup[PATH_LEN])
{
	while (cgroup[0] == '/') {
		if (cgroup[1])
			level_add(m, l, cgroup);
		*strrchr(cgroup, '/') = '\0';
	}
	level_add(m, l, "");
}

void memory_open(struct memory *ret, unsigned percent, unsigned otherwise_mib)
{
	char cgroup[PATH_LEN];

	*ret = (struct memory){ .percent = percent, .otherwise = (uint64_t)otherwise_mib << 20 };
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]) && !ret->n_levels; i++) {
		if (cgroup_path(&layouts[i], cgroup))
			levels_add(ret, &layouts[i], cgroup);
	}
	memory_read(ret, 0);
	log_info("memory: new grants are refused above %u %% of %llu bytes, %s", percent,
		 (unsigned long long)(ret->limit ? ret->limit : ret->otherwise),
		 ret->limit ? "the limit of its control group"
			    : "its --memory: no control group has a limit");
}

/* How much of a limit's percentage is left. */
static uint64_t room(const struct memory *m, uint64_t limit, uint64_t used)
{
	uint64_t allowed = limit / 100 * m->percent;

	return allowed > used ? allowed - used : 0;
}

/* Keeps the limit with the least room. */
static void level_read(struct memory *m, const struct memory_level *level, int file)
{
	uint64_t limit = read_number(file), used;

	if (!limit || limit >= NO_LIMIT)
		return;
	used = read_number(level->usage);
	if (m->limit && room(m, limit, used) >= m->room)
		return;
	m->limit = limit;
	m->used = used;
	m->room = room(m, limit, used);
}

void memory_read(struct memory *m, uint64_t now_ms)
{
	m->read_ms = now_ms;
	m->handed_out = 0;
	m->limit = m->used = m->room = 0;
	for (unsigned i = 0; i < m->n_levels; i++) {
		level_read(m, &m->levels[i], m->levels[i].max);
		level_read(m, &m->levels[i], m->levels[i].high);
	}
}

uint64_t memory_left(struct memory *m, uint64_t held, uint64_t now_ms)
{
	if (now_ms >= m->read_ms + READ_EVERY_MS)
		memory_read(m, now_ms);
	if (!m->limit)
		return room(m, m->otherwise, held);
	return m->room > m->handed_out ? m->room - m->handed_out : 0;
}

void memory_take(struct memory *m, uint64_t bytes)
{
	m->handed_out += bytes;
}
