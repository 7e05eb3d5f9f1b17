/* SPDX-License-Identifier: MIT */
/*
 * Object files of the administrator: judged by owner and mode, and read once.  What is in
 * them is judged by broker/loader/trial.h.
 */
#pragma once

#include <stddef.h>

#define OBJECT_FILE_SUFFIX ".bpf.o"
#define OBJECT_FILE_MAX	   (1u << 20) /* bytes */

/*
 * Reads a file of that directory into fresh memory: regular, root's, not writable
 * by others, at most OBJECT_FILE_MAX bytes, no symlink.  -errno, with *ret_why.
 */
int object_file_read(int dir, const char *name, void **ret, size_t *ret_size, const char **ret_why);
