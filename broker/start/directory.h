/* SPDX-License-Identifier: MIT */
/* Directories whose contents the broker relies on: nobody but root and its own user may change
 * them, or replace them. */
#pragma once

#define DIRECTORY_WHY_MAX 640

/*
 * Opens a directory on whose path there is no symlink, and which, with every directory above
 * it, root or our own user owns and nobody else may write; above it the sticky bit is as good.
 * flags: O_RDONLY, or O_PATH for who lists nothing.  -errno, with why: which directory it is, its
 * owner and mode, what is wrong with it, and what to do.
 */
int directory_open(const char *path, int flags, int *ret_fd, char why[DIRECTORY_WHY_MAX]);
