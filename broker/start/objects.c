/* SPDX-License-Identifier: MIT */
/*
 * Reads the objects that the broker can load.  Must never read a byte that a client chose; nor,
 * of the administrator's directory, follow a symlink, wait for a FIFO, or read a file twice: what
 * is judged is what is loaded.
 */
#include "broker/start/objects.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/rss_maps.h"
#include "broker/common/log.h"
#include "broker/loader/trial.h"
#include "broker/start/directory.h"
#include "proto/codec.h"
#include "proto/util/fd.h"
#include "proto/util/option_table.h"

#define FILE_SUFFIX	".bpf.o"
#define FILE_MAX	(1u << 20) /* bytes */
#define CPUS_LIST	"/sys/devices/system/cpu/possible"
#define CPUS_NUMBER_MAX 65535

/* In builtin.S: the bytes of build/bpf/. */
extern const unsigned char builtin_rss[], builtin_rss_end[];
extern const unsigned char builtin_rss_stats[], builtin_rss_stats_end[];
extern const unsigned char builtin_rss_tunnel[], builtin_rss_tunnel_end[];
extern const unsigned char builtin_rss_tunnel_stats[], builtin_rss_tunnel_stats_end[];

/* In the order of their numbers. */
static const struct builtin {
	const char *name;
	const unsigned char *begin, *end;
	bool tunnels;
} builtins[] = {
	{ "rss", builtin_rss, builtin_rss_end },
	{ "rss-stats", builtin_rss_stats, builtin_rss_stats_end },
	{ "rss-tunnel", builtin_rss_tunnel, builtin_rss_tunnel_end, .tunnels = true },
	{ "rss-tunnel-stats", builtin_rss_tunnel_stats, builtin_rss_tunnel_stats_end,
	  .tunnels = true },
};

static void object_id(uint8_t ret[RSSB_OBJECT_ID_LEN], const void *elf, size_t size)
{
	SHA2_CTX sha;

	SHA256Init(&sha);
	SHA256Update(&sha, elf, size);
	SHA256Final(ret, &sha);
}

/* Tries an object and adds it; its bytes must stay.  -errno, with why. */
static int objects_add(struct objects_trials *to, const char *name, const void *elf, size_t size,
		       char why[OBJECT_CHECK_WHY_MAX])
{
	struct objects *o = to->objects;
	struct rssb_object_ref ref = { .by = RSSB_BY_ID };
	struct template *template = &to->templates->list[o->n];
	struct object *new = &o->list[o->n];
	int err;

	object_id(ref.id, elf, size); /* takes a while: once */
	if (objects_find(o, &ref, (struct object_wish){ 0 }) >= 0) {
		snprintf(why, OBJECT_CHECK_WHY_MAX, "another object has the same bytes");
		return -EEXIST;
	}
	if (o->n == OBJECTS_MAX) {
		snprintf(why, OBJECT_CHECK_WHY_MAX, "there are %d objects already", OBJECTS_MAX);
		return -E2BIG;
	}
	err = trial_run(template, name, elf, size, &to->trial, why);
	if (err)
		return err;
	*new = (struct object){
		.elf = elf,
		.size = (uint32_t)size,
		.counts = template->check.counts,
		.abi = RSSB_ABI_QEMU_RSS_1,
	};
	to->templates->n = ++o->n;
	strncpy(new->name, name, sizeof(new->name) - 1);
	memcpy(new->id, ref.id, sizeof(new->id));
	return 0;
}

/* Without the first object nothing can be served */
static int objects_add_builtin(struct objects_trials *to, const struct builtin *b)
{
	char why[OBJECT_CHECK_WHY_MAX];
	int err = objects_add(to, b->name, b->begin, (size_t)(b->end - b->begin), why);

	if (err && to->objects->n) {
		log_warning("object %s is left out: %s", b->name, why);
		return 0;
	}
	if (err)
		log_line(LOG_ERR, "object %s: %s", b->name, why);
	else
		to->objects->list[to->objects->n - 1].tunnels = b->tunnels;
	return err;
}

/*
 * One more than the highest number of a CPU that this machine may ever have: the numbers may have
 * gaps, and a program counts by number.  The kernel's list is in order, such as "0-3,8".
 */
static int cpus_end(unsigned *ret)
{
	_cleanup_fd_ int fd = open(CPUS_LIST, O_RDONLY | O_CLOEXEC);
	char list[4096], *last = list, *next;
	ssize_t n = fd < 0 ? -1 : read(fd, list, sizeof(list) - 1);
	int err;

	if (n < 0)
		return -errno;
	list[n] = '\0';
	list[strcspn(list, "\n")] = '\0';
	while ((next = strpbrk(last, "-,")))
		last = next + 1;
	err = option_number(last, 0, CPUS_NUMBER_MAX, ret);
	*ret += !err;
	return err;
}

int objects_init(struct objects_trials *to)
{
	struct objects *o = to->objects;
	int err = cpus_end(&o->n_cpus);

	if (err)
		return log_error(err, "cannot count the CPUs");
	o->n_blocks = o->n_cpus < RSS_STATS_BLOCKS ? o->n_cpus : RSS_STATS_BLOCKS;
	to->trial.n_blocks = o->n_blocks;
	for (size_t i = 0; !err && i < sizeof(builtins) / sizeof(builtins[0]); i++)
		err = objects_add_builtin(to, &builtins[i]);
	return err;
}

/* --- the administrator's ------------------------------------------------------ */

/* What is wrong with a file; NULL: nothing. */
static const char *file_fault(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "is not a regular file";
	if (st->st_uid != 0)
		return "is not root's";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "is writable by others";
	if (st->st_size == 0)
		return "is empty";
	return st->st_size > FILE_MAX ? "is larger than 1 MiB" : NULL;
}

/* Whether exactly size bytes are there: one byte more than that shows a file that grew. */
static bool read_exactly(int fd, char *to, size_t size)
{
	size_t done = 0;
	ssize_t n;

	while ((n = read(fd, to + done, size + 1 - done)) > 0)
		done += (size_t)n;
	return !n && done == size;
}

/* Reads a file of the directory into fresh memory.  NULL, or what is wrong with the file. */
static const char *file_read(int dir, const char *name, void **ret, size_t *ret_size)
{
	_cleanup_fd_ int fd =
		openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	const char *fault;
	struct stat st;
	char *data;

	if (fd < 0)
		return errno == ELOOP ? "is a symlink" : "cannot be opened";
	if (fstat(fd, &st))
		return "cannot be looked at";
	fault = file_fault(&st);
	if (fault)
		return fault;
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return "there is no memory for it";
	if (!read_exactly(fd, data, (size_t)st.st_size)) {
		free(data);
		return "changed while it was read";
	}
	*ret = data;
	*ret_size = (size_t)st.st_size;
	return NULL;
}

/* NAME.bpf.o, NAME like a label but as long as an object's name may be. */
static bool name_from_file(char ret[RSSB_NAME_MAX], const char *file)
{
	size_t len = strlen(file), suffix = strlen(FILE_SUFFIX);

	if (len <= suffix || strcmp(file + len - suffix, FILE_SUFFIX))
		return false;
	len -= suffix;
	if (len >= RSSB_NAME_MAX)
		len = RSSB_NAME_MAX - 1;
	memset(ret, 0, RSSB_NAME_MAX);
	for (size_t i = 0; i < len; i++)
		ret[i] = rssb_label_char(file[i]) ? file[i] : '_';
	return true;
}

/* Reads, tries and adds one file; false if its name is not an object's. */
static bool objects_try_file(struct objects_trials *to, int dir, const char *file)
{
	char name[RSSB_NAME_MAX], why[OBJECT_CHECK_WHY_MAX];
	const char *fault;
	void *elf = NULL;
	size_t size = 0;

	if (!name_from_file(name, file))
		return false;
	fault = file_read(dir, file, &elf, &size);
	if (!fault && objects_add(to, name, elf, size, why)) {
		fault = why;
		free(elf);
	}
	if (fault)
		log_warning("object %s" FILE_SUFFIX " is left out: %s", name, fault);
	return true;
}

int objects_read(struct objects_trials *to, const char *directory)
{
	_cleanup_fd_ int dir = -1;
	struct dirent **entries;
	char why[DIRECTORY_WHY_MAX];
	int err = directory_open(directory, O_RDONLY, &dir, why), n, n_others = 0;

	if (err) {
		log_line(LOG_ERR, "object directory %s: %s", directory, why);
		return err;
	}
	/* By name, so that numbers do not depend on the file system. */
	n = scandirat(dir, ".", &entries, NULL, alphasort);
	if (n < 0)
		return log_error(-errno, "cannot read object directory %s", directory);
	for (int i = 0; i < n; i++) {
		n_others += !objects_try_file(to, dir, entries[i]->d_name) &&
			    entries[i]->d_name[0] != '.';
		free(entries[i]);
	}
	free(entries);
	if (n_others)
		log_notice("object directory %s: %d files are not read: their names do not end "
			   "in " FILE_SUFFIX,
			   directory, n_others);
	return 0;
}
