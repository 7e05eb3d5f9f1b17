/* SPDX-License-Identifier: MIT */
/*
 * Taps that the host steers: QEMU must not take their program off.
 *
 * QEMU 10.1 and later issues TUNSETSTEERINGEBPF(-1) on every tap with vhost=on, and
 * any QEMU with rss=on does so when the guest resets.  rssb run --host-steering
 * names its taps in the environment:
 *
 *   RSSB_HOST_STEERED=tap0:tap1     interface names, ':' between them (no name has one)
 *
 * On an fd whose interface (TUNGETIFF) has one of these names, TUNSETSTEERINGEBPF
 * succeeds without effect.  Every other ioctl, and every other tap, is not touched.
 * The names are read once, when the library is loaded.
 */
#pragma once

#include <stdbool.h>

/* Keeps the list, which is borrowed for good; NULL: no tap is host-steered. */
void host_steered_set(const char *list);

/* Is fd a queue of such a tap? */
bool host_steered(int fd);
