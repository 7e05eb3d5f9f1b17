/* SPDX-License-Identifier: MIT */
/* The settings of librssb-qemu.so.  It must never change the environment. */
#include "client/preload/settings.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/preload/host_steered.h"
#include "client/preload/raw.h"
#include "proto/rssb_proto.h"
#include "proto/util/fd.h"

enum { WAIT_MS = 2000, HIGH_FD = 200 };

struct preload_settings preload_settings = { .wait_ms = WAIT_MS, .dir = -1 };

/* Is word one of the words of list, which commas separate?  Returns what follows it. */
static const char *word_find(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, word, len) == 0)
			return p + len;
	}
	return NULL;
}

static void words_read(const char *list)
{
	const char *wait = word_find(list, "wait=");

	preload_settings.on_demand = true;
	preload_settings.stats = word_find(list, "stats");
	preload_settings.verbose = word_find(list, "verbose");
	if (wait)
		preload_settings.wait_ms = atoi(wait);
}

/* Whether a broker makes a file of this name beside its socket, which is named so. */
static bool is_brokers(const struct dirent *file, const char *socket)
{
	size_t len = strlen(socket);

	return file->d_type == DT_SOCK || strcmp(file->d_name, ".") == 0 ||
	       strcmp(file->d_name, "..") == 0 ||
	       (strncmp(file->d_name, socket, len) == 0 &&
		strcmp(file->d_name + len, ".lock") == 0);
}

/* Whether sockets and the lock are all that there is in the directory. */
static bool is_brokers_alone(int fd, const char *socket)
{
	_cleanup_fd_ int open_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = open_fd < 0 ? NULL : fdopendir(open_fd);
	const struct dirent *file;
	bool alone = true;

	if (!dir)
		return false;
	fd_take(&open_fd);
	while (alone && (file = readdir(dir)))
		alone = is_brokers(file, socket);
	closedir(dir);
	return alone;
}

/* At a high number: a shell script may count on low ones. */
static void dir_keep(int fd)
{
	struct preload_settings *s = &preload_settings;
	struct stat st, root;

	if (fstat(fd, &st) || stat("/", &root))
		return;
	s->dir = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
	s->dir_dev = st.st_dev;
	s->dir_ino = st.st_ino;
	s->root_dev = root.st_dev;
	s->root_ino = root.st_ino;
}

/*
 * Only what root starts can chroot.  A plain fd of the directory would be a way out of
 * the chroot for whoever takes QEMU over; of a mount of its own it is not: its ".." is itself.
 * What else were in the directory, such as all of /run, would still be in reach.
 */
static void dir_open(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash && slash > path ? (size_t)(slash - path) : 1;
	_cleanup_fd_ int fd = -1;

	if (geteuid() != 0 || len >= sizeof(dir))
		return;
	memcpy(dir, slash ? path : ".", len);
	dir[len] = '\0';
	fd = (int)raw_syscall(SYS_open_tree, (long[6]){ AT_FDCWD, (long)dir,
							OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC });
	if (fd >= 0 && is_brokers_alone(fd, slash ? slash + 1 : path))
		dir_keep(fd);
}

void preload_settings_read(void)
{
	const char *words = secure_getenv("RSSB_ON_DEMAND");
	const char *path = secure_getenv("RSSB_SOCKET");

	host_steered_set(secure_getenv("RSSB_HOST_STEERED"));
	preload_settings.path = path && *path ? path : RSSB_SOCKET_DEFAULT;
	if (!words)
		return;
	words_read(words);
	dir_open(preload_settings.path);
}
