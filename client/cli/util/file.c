/* SPDX-License-Identifier: MIT */
/* Whole files.  It follows links and opens what it is told to, with the caller's rights. */
#include "client/cli/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/util/mem.h"
#include "proto/util/fd.h"

int file_read(const char *path, char *ret, size_t size, size_t *ret_len)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (len < size - 1 && (n = read(fd, ret + len, size - 1 - len)) > 0)
		len += (size_t)n;
	if (n < 0)
		return -errno;
	ret[len] = '\0';
	if (ret_len)
		*ret_len = len;
	return 0;
}

bool file_again(int fd, short events)
{
	struct pollfd wait = { .fd = fd, .events = events };

	if (errno == EAGAIN)
		poll(&wait, 1, -1);
	return errno == EAGAIN || errno == EINTR;
}

int file_write_all(int fd, const void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, (const char *)data + done, len - done);

		if (n < 0 && !file_again(fd, POLLOUT))
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int file_write(const char *path, mode_t mode, const void *data, size_t len)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	int r;

	if (fd < 0)
		return -errno;
	r = file_write_all(fd, data, len);
	if (r)
		(void)!ftruncate(fd, 0);
	else
		r = fd_close_written(&fd);
	return r;
}

int file_map(int fd, struct file_map *ret)
{
	struct stat st;
	void *data;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size <= 0)
		return -ENODATA;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return -errno;
	*ret = (struct file_map){ data, (size_t)st.st_size };
	return 0;
}

void file_unmap(struct file_map *map)
{
	munmap(map->data, map->len);
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

char *program_find(const char *name)
{
	const char *path = getenv("PATH");
	_cleanup_free_ char *folders = mem_format("%s", path ? path : "/bin:/usr/bin");
	char *rest = folders, *folder;

	if (strchr(name, '/'))
		return is_program(name) ? realpath(name, NULL) : NULL;
	while ((folder = strsep(&rest, ":"))) {
		_cleanup_free_ char *file = mem_format("%s/%s", *folder ? folder : ".", name);

		if (is_program(file))
			return realpath(file, NULL);
	}
	return NULL;
}
