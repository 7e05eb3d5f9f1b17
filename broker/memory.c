/* SPDX-License-Identifier: MIT */
/* The broker's memory cgroup (version 2).  Opens files at start only. */
#include "memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"

#define ROOT	      "/sys/fs/cgroup"
#define READ_EVERY_MS 100

/* This process's cgroup below ROOT, "" for the root itself.  False: no version 2. */
static bool cgroup_path(char *ret, size_t size)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	bool found = false;
	char line[512];

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		found = !strncmp(line, "0::/", 4);
		line[strcspn(line, "\n")] = '\0';
	}
	fclose(f);
	if (found)
		snprintf(ret, size, "%s", strcmp(line, "0::/") ? line + 3 : "");
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

static int open_file(const char *cgroup, const char *name)
{
	char path[640];

	snprintf(path, sizeof(path), ROOT "%s/%s", cgroup, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

void memory_open(struct memory *ret, unsigned percent)
{
	char cgroup[512], *slash;

	*ret = (struct memory)MEMORY_INIT;
	ret->percent = percent;
	if (!cgroup_path(cgroup, sizeof(cgroup)))
		return;
	for (; (slash = strrchr(cgroup, '/')); *slash = '\0') {
		_cleanup_fd_ int max = open_file(cgroup, "memory.max");

		ret->limit = max < 0 ? 0 : read_number(max);
		if (ret->limit) {
			ret->current = open_file(cgroup, "memory.current");
			log_info("memory: grants stop at %u %% of %llu bytes", percent,
				 (unsigned long long)ret->limit);
			return;
		}
	}
}

bool memory_is_tight(struct memory *m, uint64_t now_ms)
{
	if (m->current < 0 || now_ms < m->read_ms + READ_EVERY_MS)
		return m->tight;
	m->read_ms = now_ms;
	m->tight = read_number(m->current) > m->limit / 100 * m->percent;
	return m->tight;
}
