// SPDX-License-Identifier: MIT
#include "tests/bpf/lib/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const check_names[] = { "rss", "rss-stats", "rss-tunnel", "rss-tunnel-stats", NULL };

static bool is_root(void)
{
	if (geteuid())
		printf("# SKIP: loading BPF programs takes root\n");
	return !geteuid();
}

static void load(struct object *o, const char *path)
{
	int r;

	*o = (struct object)OBJECT_INIT;
	r = object_load(o, path);
	if (!r)
		return;
	printf("Bail out! %s does not load: %s\n", path, strerror(-r));
	exit(1);
}

bool check_open(struct object *o, const char *name)
{
	const char *path = object_path(name);

	if (!is_root())
		return false;
	if (!path) {
		printf("Bail out! the object %s is not built\n", name);
		exit(1);
	}
	load(o, path);
	return true;
}

bool check_open_qemu(struct object *o)
{
	const char *path = object_path_of_qemu();

	if (!is_root())
		return false;
	if (path)
		load(o, path);
	else
		printf("# SKIP: no object of QEMU's: RSSB_QEMU_OBJECT, tests/setup/qemu.sh\n");
	return path;
}

struct steering check_steering(void)
{
	struct steering s = {
		.redirect = true,
		.hash_types = RSS_HASH_ALL,
		.table_len = RSS_TABLE_MAX,
		.default_queue = CHECK_DEFAULT_QUEUE,
		.key = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
			 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
			 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
			 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa },
	};

	for (uint16_t i = 0; i < RSS_TABLE_MAX; i++)
		s.table[i] = i;
	return s;
}

uint32_t check_random(uint32_t *state)
{
	uint32_t x = *state;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return *state = x;
}
