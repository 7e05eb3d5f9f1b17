/* SPDX-License-Identifier: MIT */
/* Reading /proc/PID/maps, and stat(2) for each file in it. */
#include "client/cli/qemu/mapped_files.h"

#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/qemu/opts.h"
#include "client/cli/util/mem.h"

enum { IDENTITY_LEN_MAX = 160 };

static bool identity_format(char ret[IDENTITY_LEN_MAX], const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return false;
	snprintf(ret, IDENTITY_LEN_MAX, "%ju %ju %jd %jd.%09ld %jd.%09ld", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino, (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec,
		 st.st_mtim.tv_nsec, (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	return true;
}

/* What has no name, or one that is no file's. */
static bool is_anonymous(const char *path)
{
	return path[0] != '/' || strncmp(path, "/memfd:", 7) == 0 ||
	       strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/SYSV", 5) == 0;
}

/* The kernel writes " (deleted)" behind the path of a replaced file: stat(2) then fails. */
static bool line_add(struct json_object *files, char *line)
{
	char identity[IDENTITY_LEN_MAX];
	int at = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%*s %*s %*s %*s %*s %n", &at) != 0 || at == 0)
		return false;
	if (is_anonymous(line + at) || json_object_object_get_ex(files, line + at, NULL))
		return true;
	if (!identity_format(identity, line + at))
		return false;
	mem_json_set_string(files, line + at, identity);
	return true;
}

struct json_object *mapped_files(pid_t pid)
{
	_cleanup_json_ struct json_object *files = mem_must(json_object_new_object());
	_cleanup_free_ char *name = mem_format("/proc/%d/maps", pid);
	_cleanup_free_ char *line = NULL;
	FILE *maps = fopen(name, "re");
	bool all = maps;
	size_t size = 0;

	while (all && getline(&line, &size, maps) > 0)
		all = line_add(files, line);
	if (maps)
		fclose(maps);
	return all ? json_object_get(files) : NULL;
}

bool mapped_files_same(struct json_object *files)
{
	char identity[IDENTITY_LEN_MAX];

	json_object_object_foreach(files, path, value)
	{
		(void)value;
		if (!qemu_opts_get(files, path) || !identity_format(identity, path) ||
		    strcmp(identity, qemu_opts_get(files, path)) != 0)
			return false;
	}
	return true;
}
