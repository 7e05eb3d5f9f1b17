// SPDX-License-Identifier: MIT
/*
 * Steering with cold programs and maps: a host runs many VMs, and between two
 * packets of one come packets of the others.  Sets take turns, one packet each,
 * by BPF_PROG_TEST_RUN.  It must never count making them.
 *
 * usage: cold ROUNDS STEERER...      STEERER: NAME=OBJECT | empty
 *
 * Prints a JSON list, an element for each steerer and number of sets: ns (a
 * packet, the median of each round).  A number of sets that takes too long to
 * load is left out: on an idle machine none is.
 */
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/clock.h"
#include "tests/bench/frames.h"
#include "tests/bench/steerers.h"

#define SETS_MAX   512
#define ROUNDS_MAX 64
#define RUNS	   2048 /* packets, a round */
#define FLOWS	   64
#define FDS_MAX	   16384	  /* libbpf keeps a few for each set */
#define LOAD_NS	   30000000000ull /* for all sets of all steerers */

static const unsigned set_counts[] = { 1, 64, SETS_MAX };

static uint8_t frames[FLOWS][FRAME_MAX];
static size_t frame_lens[FLOWS];

struct sets {
	const char *spec;
	char name[32];
	unsigned n;
	int progs[SETS_MAX];
};

/* Makes them n, if there is time until then. */
static void sets_grow(struct sets *s, unsigned n, uint64_t until)
{
	for (; s->n < n && clock_ns() < until; s->n++) {
		char copy[256];
		struct steerer made;

		snprintf(copy, sizeof(copy), "%s", s->spec);
		made = steerer_make(copy, 4);
		s->progs[s->n] = made.prog;
		snprintf(s->name, sizeof(s->name), "%.31s", made.name);
	}
}

static uint64_t run_once(int prog, unsigned flow)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frames[flow],
		    .data_size_in = (uint32_t)frame_lens[flow], .repeat = 1);

	if (bpf_prog_test_run_opts(prog, &opts))
		steerer_die("cold: BPF_PROG_TEST_RUN");
	return opts.duration;
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The median packet of n sets in turn. */
static double measure(const struct sets *s, unsigned n)
{
	static uint64_t ns[RUNS];
	uint64_t median;

	for (unsigned i = 0; i < RUNS; i++)
		ns[i] = run_once(s->progs[i % n], i * 7 % FLOWS);
	qsort(ns, RUNS, sizeof(ns[0]), compare);
	median = ns[RUNS / 2];
	return (double)median;
}

static void print_sets(const struct sets *all, size_t n_all, unsigned n, unsigned n_rounds)
{
	static double ns[8][ROUNDS_MAX];

	for (unsigned round = 0; round < n_rounds; round++)
		for (size_t i = 0; i < n_all; i++)
			if (all[i].n >= n)
				ns[i][round] = measure(&all[i], n);
	for (size_t i = 0; i < n_all; i++) {
		if (all[i].n < n)
			continue;
		printf("{\"steerer\": \"%s\", \"sets\": %u, \"ns\": [", all[i].name, n);
		for (unsigned round = 0; round < n_rounds; round++)
			printf("%s%.0f", round ? ", " : "", ns[i][round]);
		puts("]},");
	}
}

/* Few at a time: a kernel was seen (6.18) to hang for good when thousands were freed at once. */
static void sets_end(const struct sets *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		close(s->progs[i]);
		if (i % 32 == 31)
			usleep(50000);
	}
}

int main(int argc, char **argv)
{
	const struct frame_class class = { "tcp4", false, IPPROTO_TCP, false };
	unsigned n_rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
	const struct rlimit fds = { FDS_MAX, FDS_MAX };
	const uint64_t until = clock_ns() + LOAD_NS;
	static struct sets all[8];
	size_t n_all = 0;

	if (argc < 3 || argc > 10 || !n_rounds || n_rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: cold ROUNDS STEERER...\n");
		return 2;
	}
	if (setrlimit(RLIMIT_NOFILE, &fds))
		steerer_die("cold: RLIMIT_NOFILE");
	for (unsigned i = 0; i < FLOWS; i++)
		frame_lens[i] = frame_make(frames[i], &class, i, 64);
	for (char **spec = argv + 2; *spec; spec++)
		all[n_all++].spec = *spec;
	puts("[");
	for (size_t i = 0; i < sizeof(set_counts) / sizeof(set_counts[0]); i++) {
		for (size_t j = 0; j < n_all; j++)
			sets_grow(&all[j], set_counts[i], until);
		print_sets(all, n_all, set_counts[i], n_rounds);
	}
	puts("{}]");
	for (size_t j = 0; j < n_all; j++)
		sets_end(&all[j]);
	return 0;
}
