/* SPDX-License-Identifier: MIT */
/*
 * The folder of the cache and its files.  Each is opened from its parent folder's fd: a path that
 * is checked first and opened later could lead elsewhere by then.
 */
#include "client/cli/util/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/util/file.h"
#include "client/cli/util/mem.h"
#include "proto/util/fd.h"

#define HEADER "rssb " PACKAGE_VERSION " " /* and the SHA-256, in hex, and a newline */

enum {
	HEADER_LEN = sizeof(HEADER) - 1 + SHA256_DIGEST_STRING_LENGTH, /* its NUL is the newline */
	FILE_MAX = 1 << 20,					       /* bytes */
	NAME_LEN_MAX = 128,
};

/* Takes fd; -1 unless it is a folder of the caller's that is closed to others as `closed` says. */
static int folder_own(int fd, mode_t closed)
{
	_cleanup_fd_ int folder = fd;
	struct stat st;

	if (folder < 0 || fstat(folder, &st) || st.st_uid != geteuid() || (st.st_mode & closed))
		return -1;
	return fd_take(&folder);
}

static int folder_open(int parent, const char *name, mode_t closed, bool make)
{
	if (make)
		mkdirat(parent, name, 0700);
	return folder_own(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
			  closed);
}

/* -1: the caller keeps nothing; make: the folders that are missing. */
static int cache_open(bool make)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	_cleanup_fd_ int above = -1, base = -1;

	if (getauxval(AT_SECURE))
		return -1;
	if (xdg && xdg[0] == '/') {
		base = folder_open(AT_FDCWD, xdg, 022, make);
	} else if (home && home[0] == '/') {
		above = folder_own(open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC), 022);
		base = above < 0 ? -1 : folder_open(above, ".cache", 022, make);
	}
	return base < 0 ? -1 : folder_open(base, "rss-broker", 077, make);
}

static void header_format(char ret[HEADER_LEN + 1], const char *text)
{
	char digest[SHA256_DIGEST_STRING_LENGTH];

	SHA256Data((const uint8_t *)text, strlen(text), digest);
	snprintf(ret, HEADER_LEN + 1, HEADER "%s\n", digest);
}

/* The whole file, to be freed; NULL: none of the caller's. */
static char *cached_read(int folder, const char *name)
{
	_cleanup_fd_ int fd =
		openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	char *text;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 022) || st.st_size > FILE_MAX)
		return NULL;
	text = mem_new((size_t)st.st_size + 1, 1);
	if (read(fd, text, (size_t)st.st_size) != st.st_size)
		text[0] = '\0';
	return text;
}

char *cache_read(const char *name)
{
	_cleanup_fd_ int folder = cache_open(false);
	_cleanup_free_ char *text = folder < 0 ? NULL : cached_read(folder, name);
	char header[HEADER_LEN + 1];

	if (!text || strlen(text) < HEADER_LEN)
		return NULL;
	header_format(header, text + HEADER_LEN);
	if (memcmp(text, header, HEADER_LEN) != 0)
		return NULL;
	return mem_must(strdup(text + HEADER_LEN));
}

/* The old file of that name stays until the new one is complete. */
static void file_replace(int folder, const char *name, const char *header, const char *text)
{
	_cleanup_fd_ int fd = -1;
	char new[NAME_LEN_MAX];

	snprintf(new, sizeof(new), "%s.%d", name, getpid());
	unlinkat(folder, new, 0); /* of a process of this id that was killed */
	fd = openat(folder, new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (file_write_all(fd, header, strlen(header)) || file_write_all(fd, text, strlen(text)) ||
	    renameat(folder, new, folder, name))
		unlinkat(folder, new, 0);
}

void cache_write(const char *name, const char *text)
{
	_cleanup_fd_ int folder = cache_open(true);
	char header[HEADER_LEN + 1];
	sighandler_t before;

	if (folder < 0 || strlen(text) + HEADER_LEN > FILE_MAX)
		return;
	header_format(header, text);
	before = signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is EFBIG, not the end */
	file_replace(folder, name, header, text);
	signal(SIGXFSZ, before);
}
