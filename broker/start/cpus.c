/* SPDX-License-Identifier: MIT */
/* The kernel's list of possible CPUs, such as "0-3,8".  At start only: it opens a file. */
#include "broker/start/cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/fd.h"

#define LIST	   "/sys/devices/system/cpu/possible"
#define NUMBER_MAX 65535

/* The list is in order: its last number is the highest. */
static int last_number(const char *list)
{
	size_t at = strcspn(list, "\n");
	long n;

	while (at && list[at - 1] >= '0' && list[at - 1] <= '9')
		at--;
	if (list[at] < '0' || list[at] > '9')
		return -EINVAL;
	n = strtol(list + at, NULL, 10);
	return n > NUMBER_MAX ? -ERANGE : (int)n;
}

int cpus_end(void)
{
	_cleanup_fd_ int fd = open(LIST, O_RDONLY | O_CLOEXEC);
	char list[4096];
	ssize_t n;
	int last;

	if (fd < 0)
		return -errno;
	n = read(fd, list, sizeof(list) - 1);
	if (n < 0)
		return -errno;
	list[n] = '\0';
	last = last_number(list);
	return last < 0 ? last : last + 1;
}
