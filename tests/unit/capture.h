/* SPDX-License-Identifier: MIT */
/* What a function writes to stdout or stderr, for tests of what is said. */
#pragma once

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/util/fd.h"

struct capture {
	int target, saved, file;
	char text[65536];
};

/* From here on, what is written to target (1 or 2) goes to c. */
static inline void capture_begin(struct capture *c, int target)
{
	fflush(NULL);
	c->target = target;
	c->saved = dup(target);
	c->file = memfd_create("capture", MFD_CLOEXEC);
	assert_int_equal(dup2(c->file, target), target);
}

/* Until here; c->text has it. */
static inline void capture_end(struct capture *c)
{
	ssize_t n;

	fflush(NULL);
	dup2(c->saved, c->target);
	fd_closep(&c->saved);
	n = pread(c->file, c->text, sizeof(c->text) - 1, 0);
	fd_closep(&c->file);
	assert_true(n >= 0);
	c->text[n] = '\0';
}
