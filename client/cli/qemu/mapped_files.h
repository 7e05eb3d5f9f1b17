/* SPDX-License-Identifier: MIT */
/* The files that a program is made of: which they are, and whether they still are the same. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct json_object;

/*
 * Every file that the process has mapped, { path: device, inode, size and times in one text };
 * NULL: /proc does not show them, or one of them is no longer there.  The caller's reference.
 */
struct json_object *mapped_files(pid_t pid);

/* Whether each of them is what it was. */
bool mapped_files_same(struct json_object *files);
