/* SPDX-License-Identifier: MIT */
/* Reads and tries the objects: of this very binary, and of the administrator's directory. */
#pragma once

#include "broker/common/object_list.h"
#include "broker/loader/process.h"
#include "broker/loader/trial.h"

/* Where objects are added, and with them what their trials leave for the loader. */
struct objects_trials {
	struct objects *objects;
	struct templates *templates;
	struct trial_options trial;
};

/* Adds the built-in objects.  -errno: the first one, or the CPUs' number, cannot be had; logged. */
int objects_init(struct objects_trials *to);

/*
 * Adds each *.bpf.o of a directory that is a regular file of root's, of 1 MiB at most, which
 * nobody else may write, and that passes its trial; another one is left out, with a log line.
 * -errno: the directory is refused.
 */
int objects_read(struct objects_trials *to, const char *directory);
