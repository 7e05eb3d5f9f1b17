/* SPDX-License-Identifier: MIT */
/* The check of an object's shape.  Must never load anything, nor keep a descriptor of a child. */
#include "bpf/object_check.h"

#include <bpf/btf.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/object_confine.h"
#include "bpf/rss_maps.h"
#include "proto/util/fd.h"

#define CPU_MAX_S 10 /* of a child */

#define MAP(map_name, value, entries)                                                              \
	{                                                                                          \
		.name = (map_name), .type = BPF_MAP_TYPE_ARRAY, .key_size = 4,                     \
		.value_size = (value), .max_entries = (entries), .flags = BPF_F_MMAPABLE,          \
	}

const struct object_check_map object_check_maps[OBJECT_CHECK_MAPS_MAX] = {
	MAP(RSS_MAP_CONFIG_NAME, sizeof(struct rss_config), 1),
	MAP(RSS_MAP_KEY_NAME, RSS_KEY_LEN, 1),
	MAP(RSS_MAP_TABLE_NAME, sizeof(rss_u16), RSS_TABLE_MAX),
	MAP(RSS_MAP_STATS_NAME, sizeof(struct rss_stats), 1),
};

/* --- why not ------------------------------------------------------------------ */

void object_check_sanitize(char *text)
{
	for (; *text; text++)
		if (!isprint((unsigned char)*text) || (unsigned char)*text > '~')
			*text = '?';
}

static int __attribute__((format(printf, 2, 3))) refuse(char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, OBJECT_CHECK_WHY_MAX, format, args);
	va_end(args);
	object_check_sanitize(why);
	return -EINVAL;
}

static char *listener; /* where libbpf's complaint goes */

static int __attribute__((format(printf, 2, 0)))
listen_to_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_DEBUG || !listener || *listener)
		return 0;
	vsnprintf(listener, OBJECT_CHECK_WHY_MAX, format, args);
	listener[strcspn(listener, "\n")] = '\0';
	object_check_sanitize(listener);
	return 0;
}

void object_check_listen(char why[OBJECT_CHECK_WHY_MAX])
{
	listener = why;
	if (why)
		why[0] = '\0';
	libbpf_set_print(listen_to_libbpf);
}

void object_check_limit_cpu(unsigned cpu_max_s)
{
	const struct rlimit cpu = { cpu_max_s, cpu_max_s + 1 };

	setrlimit(RLIMIT_CPU, &cpu);
}

void object_check_explain_end(char why[OBJECT_CHECK_WHY_MAX], int wait_status, unsigned cpu_max_s)
{
	if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGXCPU)
		refuse(why, "it took more than %u s of CPU time", cpu_max_s);
	else if (WIFSIGNALED(wait_status))
		refuse(why, "libbpf crashed on it: %s",
		       sigdescr_np(WTERMSIG(wait_status)) ?: "unknown signal");
	else
		refuse(why, "the process that checked it ended without an answer");
}

/* --- the rules ------------------------------------------------------------------ */

static int judge_program(struct bpf_object *object, char *why)
{
	struct bpf_program *program, *found = NULL;
	unsigned n = 0;

	bpf_object__for_each_program (program, object) {
		found = program;
		n++;
	}
	if (n != 1)
		return refuse(why, "there are %u programs, not 1", n);
	if (bpf_program__type(found) != BPF_PROG_TYPE_SOCKET_FILTER)
		return refuse(why, "program section %.40s: no socket filter",
			      bpf_program__section_name(found));
	if (strcmp(bpf_program__name(found), RSS_PROG_NAME) != 0)
		return refuse(why, "the program is %.40s, not " RSS_PROG_NAME,
			      bpf_program__name(found));
	return 0;
}

static int judge_number(char *why, const char *map, const char *field, __u32 is, __u32 want)
{
	return is == want ? 0 : refuse(why, "map %s: its %s is %u, not %u", map, field, is, want);
}

static int judge_map(const struct bpf_map *map, size_t i, char *why)
{
	const struct object_check_map *want = &object_check_maps[i];
	const char *name = bpf_map__name(map);
	int err;

	if (strcmp(name, want->name) != 0)
		return i == OBJECT_CHECK_MAPS_MAX - 1
			       ? refuse(why, "there is a fourth map, %.40s", name)
			       : refuse(why, "map %zu is %.40s, not %s", i + 1, name, want->name);
	if ((err = judge_number(why, name, "type", bpf_map__type(map), want->type)) ||
	    (err = judge_number(why, name, "key size", bpf_map__key_size(map), want->key_size)) ||
	    (err = judge_number(why, name, "value size", bpf_map__value_size(map),
				want->value_size)) ||
	    (err = judge_number(why, name, "number of entries", bpf_map__max_entries(map),
				want->max_entries)) ||
	    (err = judge_number(why, name, "flags", bpf_map__map_flags(map), want->flags)))
		return err;
	if (bpf_map__pin_path(map))
		return refuse(why, "map %s: it asks for pinning", name);
	if (bpf_map__numa_node(map) || bpf_map__map_extra(map) || bpf_map__ifindex(map))
		return refuse(why, "map %s: numa_node, map_extra and ifindex must be 0", name);
	return 0;
}

static int judge_maps(struct bpf_object *object, struct object_check *ret, char *why)
{
	const struct bpf_map *map;
	unsigned n = 0;
	int err;

	bpf_object__for_each_map (map, object)
		n++;
	if (n > OBJECT_CHECK_MAPS_MAX)
		return refuse(why, "there are %u maps, not 3", n);
	if (n < OBJECT_CHECK_MAPS_MAX - 1)
		return refuse(why, "there are %u maps, not 3: %s is missing", n,
			      object_check_maps[n].name);
	n = 0;
	bpf_object__for_each_map (map, object) {
		err = judge_map(map, n++, why);
		if (err)
			return err;
	}
	ret->n_maps = n;
	ret->counts = n == OBJECT_CHECK_MAPS_MAX;
	return 0;
}

/* No data, and nothing of the kernel's own functions, variables or configuration. */
static int judge_variables(struct bpf_object *object, char *why)
{
	const struct btf *btf = bpf_object__btf(object);

	if (!btf)
		return refuse(why, "it has no BTF");
	for (__u32 id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);
		const char *name;

		if (!type || !btf_is_datasec(type))
			continue;
		name = btf__name_by_offset(btf, type->name_off) ?: "";
		if (strcmp(name, ".maps") != 0 && strcmp(name, "license") != 0)
			return refuse(why, "it has variables, which must not be: section %.40s",
				      name);
	}
	return 0;
}

/* --- the license, which libbpf does not tell -------------------------------------- */

static Elf_Data *section_find(Elf *elf, const char *name)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		const char *its;

		if (!gelf_getshdr(section, &header))
			return NULL;
		its = elf_strptr(elf, names, header.sh_name);
		if (its && !strcmp(its, name))
			return elf_rawdata(section, NULL);
	}
	return NULL;
}

static int judge_license(const void *bytes, size_t size, struct object_check *ret, char *why)
{
	Elf *elf = elf_version(EV_CURRENT) != EV_NONE ? elf_memory((char *)bytes, size) : NULL;
	Elf_Data *data = elf ? section_find(elf, "license") : NULL;
	const char *text = data ? data->d_buf : NULL;
	size_t n = text ? strnlen(text, data->d_size) : 0;
	int err = 0;

	if (!text)
		err = refuse(why, "it has no license");
	else if (n == 0 || n == data->d_size || n >= sizeof(ret->license))
		err = refuse(why, "its license is not a text of 1 to %zu characters",
			     sizeof(ret->license) - 1);
	for (size_t i = 0; !err && i < n; i++)
		if (!isprint((unsigned char)text[i]))
			err = refuse(why, "its license is not printable");
	if (!err && text)
		memcpy(ret->license, text, n + 1);
	elf_end(elf);
	return err;
}

struct bpf_object *object_check_open(struct object_check *ret, const void *elf, size_t size,
				     const struct bpf_object_open_opts *opts,
				     char why[OBJECT_CHECK_WHY_MAX])
{
	struct object_check check = { 0 };
	struct bpf_object *object;

	object_check_listen(why);
	object = bpf_object__open_mem(elf, size, opts);
	if (!object) {
		if (!why[0])
			refuse(why, "libbpf cannot open it: %s", strerrordesc_np(errno));
		return NULL;
	}
	object_check_listen(NULL);
	if (judge_program(object, why) || judge_maps(object, &check, why) ||
	    judge_variables(object, why) || judge_license(elf, size, &check, why)) {
		bpf_object__close(object);
		return NULL;
	}
	*ret = check;
	return object;
}

/* --- in a process of its own --------------------------------------------------------- */

struct answer {
	int err;
	struct object_check check;
	char why[OBJECT_CHECK_WHY_MAX];
};

/* Returns the number that the fd has then, or -errno. */
static int child_confine(int fd)
{
	const struct rlimit none = { 0, 0 };

	object_check_limit_cpu(CPU_MAX_S);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	return object_confine(fd);
}

static void child_run(int fd, const void *elf, size_t size)
{
	/* Else libbpf calls it by its address. */
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "object");
	struct answer answer = { 0 };

	for (int signum = 1; signum < NSIG; signum++)
		signal(signum,
		       SIG_DFL); /* a handler of the parent's is not for this child's crash */
	fd = child_confine(fd);
	if (fd < 0)
		_exit(EXIT_FAILURE);
	answer.err = object_check_open(&answer.check, elf, size, &opts, answer.why) ? 0 : -EINVAL;
	_exit(write(fd, &answer, sizeof(answer)) == sizeof(answer) ? EXIT_SUCCESS : EXIT_FAILURE);
}

static bool answer_read(int fd, struct answer *ret)
{
	ssize_t n;

	do {
		n = read(fd, ret, sizeof(*ret));
	} while (n < 0 && errno == EINTR);
	ret->why[sizeof(ret->why) - 1] = ret->check.license[sizeof(ret->check.license) - 1] = '\0';
	return n == sizeof(*ret);
}

int object_check(struct object_check *ret, const void *elf, size_t size,
		 char why[OBJECT_CHECK_WHY_MAX])
{
	_cleanup_fd_ int from = -1, to = -1;
	struct answer answer = { .err = -EINVAL };
	int ends[2], status = 0;
	bool answered;
	pid_t pid;

	why[0] = '\0';
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	from = ends[0];
	to = ends[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		child_run(to, elf, size);
	fd_closep(&to);
	answered = answer_read(from, &answer);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!answered) {
		object_check_explain_end(why, status, CPU_MAX_S);
		return -EINVAL;
	}
	if (answer.err)
		refuse(why, "%s", answer.why);
	else
		*ret = answer.check;
	return answer.err;
}
