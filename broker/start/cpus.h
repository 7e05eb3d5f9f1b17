/* SPDX-License-Identifier: MIT */
/* The CPUs that this machine may ever have. */
#pragma once

/*
 * One more than the highest number of a possible CPU: numbers may have gaps, and a
 * program counts by number.  -errno: the kernel's list cannot be read.
 */
int cpus_end(void);
