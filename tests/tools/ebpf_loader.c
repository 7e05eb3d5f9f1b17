/* SPDX-License-Identifier: MIT */
/*
 * What a management layer does with the answer to request-ebpf: loads the object
 * with plain libbpf, takes the program and *every* map in libbpf's order, and
 * hands the fds to a command.  It knows nothing of steering and no map by name.
 *
 * usage: ebpf_loader FILE COMMAND [ARG...]      in each ARG, @fds@ becomes "3","4",...
 *
 * Without a COMMAND it prints one line of JSON about what it loaded.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FDS_MAX 16

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int inherited(int fd)
{
	if (fcntl(fd, F_SETFD, 0))
		die("fcntl");
	return fd;
}

static size_t take_fds(struct bpf_object *object, int fds[FDS_MAX])
{
	struct bpf_program *program;
	struct bpf_map *map;
	size_t n = 0;

	bpf_object__for_each_program (program, object) {
		if (n < FDS_MAX)
			fds[n++] = inherited(bpf_program__fd(program));
	}
	bpf_object__for_each_map (map, object) {
		if (n < FDS_MAX)
			fds[n++] = inherited(bpf_map__fd(map));
	}
	return n;
}

static void print_program(int fd)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		die("the program's info");
	printf("{\"name\": \"%s\", \"type\": %u, \"tag\": \"", info.name, info.type);
	for (size_t i = 0; i < sizeof(info.tag); i++)
		printf("%02x", info.tag[i]);
	printf("\", \"maps\": [");
}

static void print_map(int fd, bool first)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		die("a map's info");
	printf("%s[\"%s\", %u, %u, %u, %u, %u]", first ? "" : ", ", info.name, info.type,
	       info.key_size, info.value_size, info.max_entries, info.map_flags);
}

/* arg with @fds@ replaced. */
static char *with_fds(const char *arg, const int *fds, size_t n)
{
	const char *at = strstr(arg, "@fds@");
	char *text, *out;

	if (!at)
		return strdup(arg);
	text = malloc(strlen(arg) + n * 16);
	if (!text)
		die("malloc");
	out = mempcpy(text, arg, (size_t)(at - arg));
	for (size_t i = 0; i < n; i++)
		out += sprintf(out, "%s\"%d\"", i ? "," : "", fds[i]);
	strcpy(out, at + strlen("@fds@"));
	return text;
}

int main(int argc, char **argv)
{
	struct bpf_object *object = argc > 1 ? bpf_object__open_file(argv[1], NULL) : NULL;
	int fds[FDS_MAX];
	size_t n;

	if (!object || bpf_object__load(object))
		die("ebpf_loader");
	n = take_fds(object, fds);
	if (argc == 2) {
		print_program(fds[0]);
		for (size_t i = 1; i < n; i++)
			print_map(fds[i], i == 1);
		printf("]}\n");
		bpf_object__close(object);
		return 0;
	}
	for (int i = 2; i < argc; i++)
		argv[i] = with_fds(argv[i], fds, n);
	execvp(argv[2], argv + 2);
	die(argv[2]);
	return 1;
}
