/* SPDX-License-Identifier: MIT */
/*
 * A steering object under test: loaded, its maps mapped, packets run through it.
 * It knows QEMU's three maps and the counters, and nothing of whose object it is.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bpf/rss_maps.h"
#include "tests/bpf/lib/steering.h"

#define OBJECT_TABLE_BYTES (RSS_TABLE_MAX * RSS_TABLE_STRIDE)

struct object {
	int prog;
	int config_fd, key_fd, table_fd, stats_fd;
	volatile struct rss_config *config;
	volatile uint8_t *key;		  /* a struct rss_key */
	volatile uint8_t *table;	  /* entry i at RSS_TABLE_STRIDE * i */
	volatile struct rss_stats *stats; /* one a possible CPU; NULL: it does not count */
	uint32_t insns_verified;	  /* 0: the kernel does not tell */
	uint64_t load_ns;		  /* libbpf's open and load together */
};
#define OBJECT_INIT                                                                                \
	{                                                                                          \
		.prog = -1, .config_fd = -1, .key_fd = -1, .table_fd = -1, .stats_fd = -1          \
	}

/* Loads the object in the file at path.  -errno: libbpf's or the kernel's. */
int object_load(struct object *o, const char *path);

/*
 * Loads the already relocated instructions of a loaded object again, with maps
 * of its own: what the broker does for each set.
 */
int object_load_again(struct object *o, const char *path);

/*
 * The functions of a loaded program and their types, as BPF_PROG_LOAD wants them again:
 * the kernel tells the types in order, and where a function begins shows where it is called.
 * Returns how many, at most OBJECT_FUNCTIONS_MAX.
 */
#define OBJECT_FUNCTIONS_MAX 16
struct bpf_program;
struct bpf_func_info;
uint32_t object_functions(const struct bpf_program *prog, struct bpf_func_info *ret);

void object_unload(struct object *o);

/* Fills the maps. */
void object_steer(const struct object *o, const struct steering *s);

/* What the program has counted, all CPUs together. */
void object_counts(const struct object *o, struct rss_stats *ret);

/* The queue that the program returns for a packet; -errno if it cannot be run. */
int object_queue(const struct object *o, const void *packet, size_t len);

/*
 * Runs a packet `repeat` times; *ret_ns: how long that took, the system call included.
 * (The kernel's own figure is in whole nanoseconds a packet.)  0 or -errno.
 */
int object_time(const struct object *o, const void *packet, size_t len, unsigned int repeat,
		uint64_t *ret_ns);

/* The objects' files: $RSSB_BUILD/bpf/NAME.bpf.o, and $RSSB_QEMU_OBJECT; NULL: no such file. */
const char *object_path(const char *name);
const char *object_path_of_qemu(void);
