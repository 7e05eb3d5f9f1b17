/* SPDX-License-Identifier: MIT */
/*
 * What is answered in the kernel's place.  It must never follow a pointer of the
 * caller's: the kernel copies what is behind it, or says that nothing is there.
 */
#include "client/preload/load.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bpf/rss_maps.h"
#include "client/preload/obtain.h"
#include "client/preload/raw.h"
#include "client/preload/say.h"
#include "proto/util/fd.h"

enum { TINY_INSNS = 4, TINY_BTF = 512, BTF_MAX = 1 << 20, N_MAPS = 3, FIRST_FD = 3 };

/* The load that this thread is about; at rest there is none. */
static __thread struct load {
	int btf;	     /* the fd of the object's BTF; 0: no load */
	bool kernels;	     /* the rest of it is the kernel's */
	bool begun;	     /* there is a set */
	struct rssb_fds fds; /* of it, what is not handed out yet */
} load;

static const struct map_abi {
	const char *name;
	uint32_t value_size, max_entries;
	size_t slot; /* in struct rssb_fds */
} maps[N_MAPS] = {
	{ RSS_MAP_CONFIG_NAME, sizeof(struct rss_config), 1, offsetof(struct rssb_fds, config) },
	{ RSS_MAP_KEY_NAME, RSS_KEY_LEN, 1, offsetof(struct rssb_fds, key) },
	{ RSS_MAP_TABLE_NAME, sizeof(uint16_t), RSS_TABLE_MAX, offsetof(struct rssb_fds, table) },
};

/* --- the caller's memory ------------------------------------------------------------ */

static bool copy_in(void *dst, uint64_t src, size_t len)
{
	struct iovec to = { dst, len }, from = { NULL, len };

	memcpy(&from.iov_base, &src, sizeof(from.iov_base)); /* raw.h: of 64 bits */
	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)len;
}

static bool attr_copy(union bpf_attr *ret, const long arg[6])
{
	size_t size = (unsigned int)arg[2];

	memset(ret, 0, sizeof(*ret));
	return copy_in(ret, (uint64_t)arg[1], size < sizeof(*ret) ? size : sizeof(*ret));
}

/* The full name is in there; in a request it is cut. */
static bool btf_is_ours(const union bpf_attr *a)
{
	uint32_t size = a->btf_size;
	bool found = false;
	char *bytes;

	if (size > BTF_MAX || !(bytes = malloc(size)))
		return false;
	if (copy_in(bytes, a->btf, size))
		found = memmem(bytes, size, RSS_PROG_NAME, sizeof(RSS_PROG_NAME));
	free(bytes);
	return found;
}

/* The kernel keeps, and libbpf sends, the first BPF_OBJ_NAME_LEN - 1 bytes of a name. */
static bool name_is(const char *asked, const char *name)
{
	return strncmp(asked, name, BPF_OBJ_NAME_LEN - 1) == 0;
}

/* --- the kernel --------------------------------------------------------------------- */

static long kernel_bpf(const long arg[6])
{
	return raw_syscall(SYS_bpf, arg);
}

/* An fd that stands for what the kernel would not load; it is good for nothing. */
static long stand_in(void)
{
	_cleanup_fd_ int fd = eventfd(0, EFD_CLOEXEC);
	int high;

	if (fd < 0 || fd >= FIRST_FD)
		return fd < 0 ? -EPERM : fd_take(&fd);
	high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD); /* libbpf would do so, and not tell */
	return high < 0 ? -EPERM : high;
}

/* --- one load ----------------------------------------------------------------------- */

static void load_end(void)
{
	if (load.begun)
		rssb_fds_close(&load.fds);
	load = (struct load){ 0 };
}

/* Nothing more of this load is answered here. */
static long load_leave(const long arg[6])
{
	int btf = load.btf;

	load_end();
	load.btf = btf;
	load.kernels = true;
	return kernel_bpf(arg);
}

static void load_begin(long btf)
{
	load_end();
	load.btf = btf > 0 ? (int)btf : 0;
}

/* The set's lease takes the place of the BTF's fd. */
static int set_take(void)
{
	int r = obtain_set(&load.fds);

	if (r)
		return r;
	load.begun = true;
	if (dup3(load.fds.lease, load.btf, O_CLOEXEC) < 0)
		return -errno;
	fd_closep(&load.fds.lease);
	return 0;
}

static int *map_slot(const struct map_abi *map)
{
	return (int *)((char *)&load.fds + map->slot);
}

static const struct map_abi *map_find(const char *name)
{
	for (size_t i = 0; i < N_MAPS; i++)
		if (name_is(name, maps[i].name))
			return &maps[i];
	return NULL;
}

static bool map_differs(const char *name, const char *what, uint32_t asked, uint32_t abi)
{
	if (asked == abi)
		return false;
	preload_say(
		"QEMU's object is of another ABI: map %s has %s %u, not %u; the kernel is asked "
		"instead",
		name, what, asked, abi);
	return true;
}

/* Says what differs. */
static bool map_fits(const union bpf_attr *a, const struct map_abi *map)
{
	const char *name = a->map_name;

	return !map_differs(name, "type", a->map_type, BPF_MAP_TYPE_ARRAY) &&
	       !map_differs(name, "key size", a->key_size, sizeof(uint32_t)) &&
	       !map_differs(name, "value size", a->value_size, map->value_size) &&
	       !map_differs(name, "entries", a->max_entries, map->max_entries) &&
	       !map_differs(name, "flags", a->map_flags, BPF_F_MMAPABLE);
}

static long map_create(const union bpf_attr *a, const long arg[6])
{
	const struct map_abi *map = map_find(a->map_name);

	if (!map)
		preload_say("QEMU's object is of another ABI: it has a map %.15s; the kernel is "
			    "asked instead",
			    a->map_name);
	if (!map || !map_fits(a, map) || (!load.begun && set_take()))
		return load_leave(arg);
	if (*map_slot(map) < 0)
		return load_leave(arg);
	return fd_take(map_slot(map));
}

static long prog_load(const union bpf_attr *a, const long arg[6])
{
	int fd;

	if (a->prog_type != BPF_PROG_TYPE_SOCKET_FILTER || !name_is(a->prog_name, RSS_PROG_NAME) ||
	    !load.begun || load.fds.config >= 0 || load.fds.key >= 0 || load.fds.table >= 0) {
		preload_say("QEMU's object is of another ABI: program %.15s, type %u; the kernel "
			    "is asked instead",
			    a->prog_name, a->prog_type);
		return load_leave(arg);
	}
	fd = fd_take(&load.fds.prog);
	load_end();
	return fd;
}

/* --- what comes before a load ------------------------------------------------------- */

static long btf_load(const long arg[6])
{
	long r = kernel_bpf(arg);
	union bpf_attr a;

	if ((r < 0 && r != -EPERM) || !attr_copy(&a, arg))
		return r;
	if (btf_is_ours(&a)) {
		r = r < 0 ? stand_in() : r;
		load_begin(r);
		return r;
	}
	if (r < 0 && a.btf_size >= sizeof(struct btf_header) && a.btf_size <= TINY_BTF)
		return stand_in();
	return r;
}

static long prog_probe(const union bpf_attr *a, const long arg[6])
{
	long r = kernel_bpf(arg);

	if (r == -EPERM && a->prog_type == BPF_PROG_TYPE_SOCKET_FILTER && a->insn_cnt <= TINY_INSNS)
		return stand_in();
	return r;
}

long load_answer(const long arg[6])
{
	bool loading = load.btf && !load.kernels;
	union bpf_attr a;

	switch ((int)arg[0]) {
	case BPF_BTF_LOAD:
		return btf_load(arg);
	case BPF_MAP_CREATE:
		if (loading && attr_copy(&a, arg) && (int)a.btf_fd == load.btf)
			return map_create(&a, arg);
		return kernel_bpf(arg);
	case BPF_PROG_LOAD:
		if (!attr_copy(&a, arg))
			return kernel_bpf(arg);
		if (loading && (int)a.prog_btf_fd == load.btf)
			return prog_load(&a, arg);
		return prog_probe(&a, arg);
	default:
		return kernel_bpf(arg);
	}
}
