/* SPDX-License-Identifier: MIT */
/*
 * What can steer a tap: an object loaded with libbpf and configured, the empty
 * program, or nothing at all (automq).  Needs privilege; ends the process when
 * something cannot be had.
 */
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/rss_maps.h"

struct steerer {
	const char *name;
	int prog; /* -1: automq */
};

static inline void steerer_die(const char *what)
{
	perror(what);
	exit(1);
}

static inline void steerer_set(const struct bpf_object *object, const char *map, uint32_t key,
			       const void *value, size_t size)
{
	const struct bpf_map *found = bpf_object__find_map_by_name(object, map);

	if (!found || bpf_map__update_elem(found, &key, sizeof(key), value, size, BPF_ANY))
		steerer_die(map);
}

/* All hash types, and all tunnels where it knows them; 128 entries evenly over the queues. */
static inline void steerer_configure(const struct bpf_object *object, unsigned queues, bool tunnels)
{
	const struct rss_config config = {
		.redirect = 1,
		.hash_types = RSS_HASH_ALL | (tunnels ? RSS_TUNNEL_ALL : 0),
		.table_len = RSS_TABLE_MAX,
	};
	struct rss_key key = { .word0 = 0x6d5a56da };

	for (size_t i = 0; i < sizeof(key.rest); i++)
		key.rest[i] = (uint8_t)(37 * i + 109);
	for (uint32_t i = 0; i < RSS_TABLE_MAX; i++) {
		uint16_t queue = (uint16_t)(i % queues);

		steerer_set(object, RSS_MAP_TABLE_NAME, i, &queue, sizeof(queue));
	}
	steerer_set(object, RSS_MAP_KEY_NAME, 0, &key, sizeof(key));
	steerer_set(object, RSS_MAP_CONFIG_NAME, 0, &config, sizeof(config));
}

static inline int steerer_load(const char *path, unsigned queues)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);

	if (!object || bpf_object__load(object))
		steerer_die(path);
	steerer_configure(object, queues, strstr(path, "rss-tunnel"));
	return bpf_program__fd(bpf_object__next_program(object, NULL));
}

/* return 0: what calling any program costs. */
static inline int steerer_load_empty(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "empty", "GPL", insns, 2, NULL);

	if (fd < 0)
		steerer_die("the empty program");
	return fd;
}

/* spec: NAME=OBJECT, or "empty", or "automq". */
static inline struct steerer steerer_make(char *spec, unsigned queues)
{
	char *path = strchr(spec, '=');

	if (path) {
		*path++ = '\0';
		return (struct steerer){ spec, steerer_load(path, queues) };
	}
	if (!strcmp(spec, "empty"))
		return (struct steerer){ spec, steerer_load_empty() };
	return (struct steerer){ spec, -1 };
}
