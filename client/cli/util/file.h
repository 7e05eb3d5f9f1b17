/* SPDX-License-Identifier: MIT */
/* Whole files: read, written, mapped.  0 or -errno. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The first bytes of a file, at most size - 1, and a NUL.  ret_len: how many; may be NULL. */
int file_read(const char *path, char *ret, size_t size, size_t *ret_len);

/* Whether errno says to try again: an fd that somebody made non-blocking is waited for. */
bool file_again(int fd, short events);

/* Writes until all is written. */
int file_write_all(int fd, const void *data, size_t len);

/* Empties a file that could not be written whole: half of an object would pass for a good one. */
int file_write(const char *path, mode_t mode, const void *data, size_t len);

/* The bytes of an open file, which is not empty, to read. */
struct file_map {
	void *data;
	size_t len;
};
int file_map(int fd, struct file_map *ret);
void file_unmap(struct file_map *map);

/* The executable file that execvp() finds, by its true path; NULL: none.  To be freed. */
char *program_find(const char *name);
