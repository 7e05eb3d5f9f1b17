// SPDX-License-Identifier: MIT
/*
 * What loading a steering object with libbpf costs, as any privileged VMM does
 * it: open and load, from memory.  It must never reuse anything between loads.
 *
 * usage: load OBJECT [N]
 *
 * Prints one JSON object: ns (of each of N loads, 1 by default), and of the
 * program: verified_insns, insns, jited_bytes, memlock (bytes, maps included).
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/clock.h"

#define OBJECT_MAX (1u << 20)

static char elf[OBJECT_MAX];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static size_t object_read(const char *path)
{
	FILE *f = fopen(path, "re");
	size_t size;

	if (!f)
		die(path);
	size = fread(elf, 1, sizeof(elf), f);
	if (!size || size == sizeof(elf))
		die(path);
	fclose(f);
	return size;
}

static struct bpf_object *object_load(size_t size)
{
	struct bpf_object *object = bpf_object__open_mem(elf, size, NULL);

	if (!object || bpf_object__load(object))
		die("load: libbpf");
	return object;
}

static uint64_t fd_memlock(int fd)
{
	char path[64], line[128];
	uint64_t bytes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %" SCNu64, &bytes) == 1)
			break;
	if (f)
		fclose(f);
	return bytes;
}

static void object_print(const struct bpf_object *object)
{
	int prog = bpf_program__fd(bpf_object__next_program(object, NULL));
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	uint64_t memlock = fd_memlock(prog);
	const struct bpf_map *map;

	if (bpf_obj_get_info_by_fd(prog, &info, &len))
		die("load: program info");
	bpf_object__for_each_map (map, object)
		memlock += fd_memlock(bpf_map__fd(map));
	printf("\"verified_insns\": %u, \"insns\": %u, \"jited_bytes\": %u, \"memlock\": %" PRIu64,
	       info.verified_insns, info.xlated_prog_len / 8, info.jited_prog_len, memlock);
}

int main(int argc, char **argv)
{
	unsigned n = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
	size_t size;

	if (argc < 2 || argc > 3 || !n) {
		fprintf(stderr, "usage: load OBJECT [N]\n");
		return 2;
	}
	size = object_read(argv[1]);
	printf("{\"ns\": [");
	for (unsigned i = 1; i <= n; i++) {
		uint64_t begin = clock_ns();
		struct bpf_object *object = object_load(size);

		printf("%" PRIu64 "%s", clock_ns() - begin, i < n ? ", " : "], ");
		if (i == n)
			object_print(object);
		bpf_object__close(object);
	}
	puts("}");
	return 0;
}
