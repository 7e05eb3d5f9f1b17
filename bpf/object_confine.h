/* SPDX-License-Identifier: MIT */
/*
 * A child that reads an object of a QEMU's, which its guest may have taken over, by
 * libbpf, as whoever runs rssb, often root.  libbpf is not made for that.
 */
#pragma once

/*
 * Leaves to this process memory and one fd, to which it may write.  Returns the fd's new
 * number, or -errno.
 */
int object_confine(int fd);
