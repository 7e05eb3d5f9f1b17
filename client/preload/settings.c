/* SPDX-License-Identifier: MIT */
/* The settings of librssb-qemu.so.  It must never change the environment. */
#include "client/preload/settings.h"

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
#include "proto/fd.h"
#include "proto/rssb_proto.h"

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

/* At a high number: a shell script may count on low ones. */
static void dir_keep(int fd)
{
	struct stat st;
	int high;

	if (fstat(fd, &st))
		return;
	high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
	preload_settings.dir = high;
	preload_settings.dir_dev = st.st_dev;
	preload_settings.dir_ino = st.st_ino;
}

/*
 * Only what root starts can chroot.  A plain fd of the directory would be a way out of
 * the chroot for whoever takes QEMU over; of a mount of its own it is not: its ".." is itself.
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
	if (fd >= 0)
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
