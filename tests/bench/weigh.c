// SPDX-License-Identifier: MIT
/*
 * Makes sets as the loader makes them, for as many blocks of counters as it is told, and keeps
 * them until its standard input ends: to be weighed by its memory cgroup.
 *
 * usage: weigh OBJECT BLOCKS SETS
 *
 * It says "ready", waits for a line, makes the sets, and says "held" and how many ns that took.
 * Must not make more than 500, and frees them gradually.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/loader/template.h"
#include "broker/loader/trial.h"
#include "proto/util/fd.h"
#include "tests/bench/clock.h"
#include "tests/bench/gradually.h"

#define SETS_MAX 400
#define ELF_MAX	 (1 << 20)
#define FDS	 1000

static void die(const char *what)
{
	fprintf(stderr, "weigh: %s\n", what);
	exit(1);
}

static size_t file_read(const char *path, char *ret)
{
	FILE *file = fopen(path, "re");
	size_t n = file ? fread(ret, 1, ELF_MAX, file) : 0;

	if (!n || n == ELF_MAX)
		die(path);
	fclose(file);
	return n;
}

static void say_and_wait(const char *word)
{
	puts(word);
	fflush(stdout);
	getchar();
}

static void sets_free(struct set_fds sets[], int n)
{
	for (int from = 0; from < n; from += GRADUALLY_AT_ONCE) {
		int to = from + GRADUALLY_AT_ONCE < n ? from + GRADUALLY_AT_ONCE : n;
		int before = gradually_programs();

		for (int i = from; i < to; i++)
			set_fds_done(&sets[i]);
		gradually_wait(before, to - from);
	}
}

int main(int argc, char **argv)
{
	static struct bpf_insn insns[TRIAL_INSNS_MAX], scratch[TRIAL_INSNS_MAX];
	static struct set_fds sets[SETS_MAX];
	static char elf[ELF_MAX];
	struct template t = TEMPLATE_INIT;
	char why[OBJECT_CHECK_WHY_MAX];
	uint64_t begin;
	char held[64];
	int n, table;

	if (argc != 4 || (n = atoi(argv[3])) < 1 || n > SETS_MAX)
		return 2;
	t.insns = insns;
	t.scratch = scratch;
	if (template_load(&t, "weigh", elf, file_read(argv[1], elf), (unsigned)atoi(argv[2]),
			  TRIAL_INSNS_MAX, why))
		die(why);
	for (int i = 0; i < n; i++)
		sets[i] = SET_FDS_INIT;
	if (template_make(&t, &sets[0])) /* what is made once, is made now */
		die("no set");
	table = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC,
		      FDS); /* which the kernel then need not enlarge */
	fd_closep(&table);
	say_and_wait("ready");
	begin = clock_ns();
	for (int i = 1; i < n; i++)
		if (template_make(&t, &sets[i]))
			die("no set");
	snprintf(held, sizeof(held), "held %llu", (unsigned long long)(clock_ns() - begin));
	say_and_wait(held);
	sets_free(sets, n);
	template_done(&t);
	return 0;
}
