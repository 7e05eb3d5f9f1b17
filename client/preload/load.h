/* SPDX-License-Identifier: MIT */
/*
 * The load of a steering object, as libbpf does it, answered with a set of the
 * broker's.
 *
 * libbpf (seen: 1.1, 1.5, 1.7) asks, on one thread: PROG_LOAD and BTF_LOAD of tiny
 * programs and types, to learn what the kernel can do; BTF_LOAD of the object's own
 * types; MAP_CREATE of each map; PROG_LOAD of the program.
 *
 *   tiny ones       the kernel first.  Where it says EPERM any fd is the answer: libbpf
 *                   closes it, and without it gives up
 *   object's BTF    it names the program, so a load begins.  libbpf keeps this fd until
 *                   it closes the object, and uses it only in the requests below.  The
 *                   lease takes the fd's place: the grant ends when libbpf closes it,
 *                   that is at unplug, after a failed load, or with QEMU
 *   maps, program   compared with bpf/rss_maps.h, and answered from the set.  If one
 *                   differs, or there is no set, the rest of the load is the kernel's
 *
 * Everything else is the kernel's, and so is all of it outside a load.
 */
#pragma once

/* bpf(2).  Returns as the kernel: an fd, or -errno. */
long load_answer(const long arg[6]);
