/* SPDX-License-Identifier: MIT */
/* Reads the objects that the broker can load.  Must never read a byte that a client chose. */
#include "broker/start/objects.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/rss_maps.h"
#include "broker/common/log.h"
#include "broker/start/cpus.h"
#include "broker/start/directory.h"
#include "broker/start/object_file.h"
#include "proto/codec.h"
#include "broker/loader/trial.h"
#include "proto/fd.h"

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
	struct object_check check;
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
	err = trial_run(&to->templates->list[o->n], &check, name, elf, size, &to->trial, why);
	if (err)
		return err;
	*new = (struct object){
		.number = (unsigned)o->n++,
		.elf = elf,
		.size = (uint32_t)size,
		.counts = check.counts,
		.abi = RSSB_ABI_QEMU_RSS_1,
	};
	to->templates->n = o->n;
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

int objects_init(struct objects_trials *to)
{
	int n_cpus = cpus_end(), err = 0;

	if (n_cpus < 0)
		return log_error(n_cpus, "cannot count the CPUs");
	to->objects->n_cpus = (unsigned)n_cpus;
	to->objects->n_blocks = n_cpus < RSS_STATS_BLOCKS ? (unsigned)n_cpus : RSS_STATS_BLOCKS;
	to->trial.n_blocks = to->objects->n_blocks;
	for (size_t i = 0; !err && i < sizeof(builtins) / sizeof(builtins[0]); i++)
		err = objects_add_builtin(to, &builtins[i]);
	return err;
}

/* --- the administrator's ------------------------------------------------------ */

/* NAME.bpf.o, NAME like a label but as long as an object's name may be. */
static bool name_from_file(char ret[RSSB_NAME_MAX], const char *file)
{
	size_t len = strlen(file), suffix = strlen(OBJECT_FILE_SUFFIX);

	if (len <= suffix || strcmp(file + len - suffix, OBJECT_FILE_SUFFIX))
		return false;
	len -= suffix;
	if (len >= RSSB_NAME_MAX)
		len = RSSB_NAME_MAX - 1;
	memset(ret, 0, RSSB_NAME_MAX);
	for (size_t i = 0; i < len; i++)
		ret[i] = rssb_label_char(file[i]) ? file[i] : '_';
	return true;
}

/* Reads, tries and adds one file.  -errno, with why. */
static int objects_read_file(struct objects_trials *to, int dir, const char *file, const char *name,
			     char why[OBJECT_CHECK_WHY_MAX])
{
	const char *rule;
	void *elf;
	size_t size;
	int err = object_file_read(dir, file, &elf, &size, &rule);

	if (err) {
		snprintf(why, OBJECT_CHECK_WHY_MAX, "%s", rule);
		return err;
	}
	err = objects_add(to, name, elf, size, why);
	if (err)
		free(elf);
	return err;
}

/* False if its name is not an object's. */
static bool objects_try_file(struct objects_trials *to, int dir, const char *file)
{
	char name[RSSB_NAME_MAX], why[OBJECT_CHECK_WHY_MAX];

	if (!name_from_file(name, file))
		return false;
	if (objects_read_file(to, dir, file, name, why))
		log_warning("object %s" OBJECT_FILE_SUFFIX " is left out: %s", name, why);
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
			   "in " OBJECT_FILE_SUFFIX,
			   directory, n_others);
	return 0;
}
