/* SPDX-License-Identifier: MIT */
/* One line on QEMU's stderr, "rssb: on-demand: why", in one write. */
#pragma once

void preload_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
