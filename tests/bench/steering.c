// SPDX-License-Identifier: MIT
/*
 * What steering a packet costs by BPF_PROG_TEST_RUN, and what loading the object costs:
 * of each object, of the empty program, and of our objects loaded with CAP_BPF alone,
 * for which the verifier puts speculation barriers into the program.
 *
 * usage: steering [--json] [--rounds N] [--tunnels] [--instructions] NAME=OBJECT...
 *
 * --instructions counts the kernel's, where the processor does (retired.h); a few slices do then.
 *
 * A round has FLOWS flows of each class.  For each flow all programs take turns, one slice of
 * some ten microseconds each, SLICES times over, and the shortest slice counts: so short a
 * slice is soon one that no neighbour of the machine came into, and programs that are
 * compared ran within the same millisecond.  As root it runs with real-time priority.  The table
 * has minimum and median of the rounds, the empty program's cost taken off; each round loads
 * the programs anew, for where one lies in memory shows.  (What QEMU's costs with a tag in
 * the data is no comparison: by test run it takes such a frame for something else.)
 *
 * Where the time goes (rss, TCP/IPv4, of 38 ns on a busy EPYC with an empty program of
 * 37): 24 the one bpf_skb_load_bytes_relative() call, most of that the kernel's `rep
 * movsb`, which costs the same for 4 bytes and for 54; 9 the hash; 5 the maps and
 * checks.  TCP/IPv6: the hash takes 20.
 */
#include <cap-ng.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>

#include "proto/util/fd.h"
#include "tests/bench/retired.h"
#include "tests/bpf/lib/object.h"
#include "tests/bpf/lib/packet.h"

#define FLOWS	   16
#define SLICES	   32  /* of a program and a flow, a round */
#define COUNTED	   2   /* the same of --instructions */
#define REPEAT	   400 /* of a flow's packet, a slice */
#define ROUNDS	   9
#define ROUNDS_MAX 101
#define RUNS_MAX   16

struct class
{
	const char *name, *packet;
};

static const struct class outside[] = {
	{ "tcp4", "ip4 tcp zeros:64" },
	{ "udp4", "ip4 udp zeros:64" },
	{ "tcp6", "ip6 tcp zeros:64" },
	{ "udp6", "ip6 udp zeros:64" },
	{ "ipv6-ext", "ip6 hbh rt2 home tcp zeros:64" },
	{ "vlan", "q ip4 tcp zeros:64" },
};

/* TCP over IPv4 in each kind of tunnel; the first is in none. */
static const struct class inside[] = {
	{ "tcp4", "ip4 tcp zeros:64" },
	{ "gre", "ip4 gre ip4 tcp zeros:64" },
	{ "gre over ipv6", "ip6 gre ip4 tcp zeros:64" },
	{ "ipip", "ip4 ip4 tcp zeros:64" },
	{ "nvgre", "ip4 gre+key eth ip4 tcp zeros:64" },
	{ "vxlan", "ip4 vxlan eth ip4 tcp zeros:64" },
	{ "geneve", "ip4 geneve:0 eth ip4 tcp zeros:64" },
	{ "gre-udp", "ip4 gre-udp ip4 tcp zeros:64" },
	{ "vxlan-gpe", "ip4 vxlan-gpe ip4 tcp zeros:64" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CLASSES_MAX  (COUNT(outside) + COUNT(inside))

static const struct class *classes = outside;
static size_t n_classes = COUNT(outside);

/* One program that takes part. */
struct run {
	char name[64];
	const char *path; /* NULL: the empty program */
	bool cap_bpf_alone;
	struct object object;
	double ns[CLASSES_MAX][ROUNDS_MAX]; /* a packet, the mean over all flows */
	double load_ms[ROUNDS_MAX];
};

static struct run runs[RUNS_MAX];
static size_t n_runs;
static unsigned int n_rounds = ROUNDS, n_slices = SLICES;
static int counter = -1; /* of instructions; then all that says ns is a number of them */

static void die(const char *what, int error)
{
	fprintf(stderr, "steering: %s: %s\n", what, strerror(error));
	exit(1);
}

/* Takes CAP_PERFMON (and CAP_SYS_ADMIN, which stands for it) out of effect, or puts it back. */
static void perfmon(bool on)
{
	capng_act_t act = on ? CAPNG_ADD : CAPNG_DROP;

	if (capng_get_caps_process() ||
	    capng_updatev(act, CAPNG_EFFECTIVE, CAP_PERFMON, CAP_SYS_ADMIN, -1) ||
	    capng_apply(CAPNG_SELECT_CAPS))
		die("capabilities", EPERM);
}

static int empty_load(struct object *o)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	o->prog = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "empty", "MIT", insns, 2, NULL);
	o->insns_verified = 2;
	return o->prog < 0 ? -errno : 0;
}

static int run_load(const struct run *r, struct object *o)
{
	int error;

	*o = (struct object)OBJECT_INIT;
	if (!r->path)
		return empty_load(o);
	if (r->cap_bpf_alone)
		perfmon(false);
	error = object_load(o, r->path);
	if (r->cap_bpf_alone)
		perfmon(true);
	return error;
}

/* Of an object that sees into tunnels, all of them on. */
static struct steering usual(const char *path)
{
	struct steering s = { .redirect = true, .hash_types = RSS_HASH_ALL, .table_len = 128 };

	if (strstr(path, "tunnel"))
		s.hash_types |= RSS_TUNNEL_ALL;
	for (size_t i = 0; i < RSS_KEY_LEN; i++)
		s.key[i] = (uint8_t)(37 * i + 5);
	for (uint16_t i = 0; i < RSS_TABLE_MAX; i++)
		s.table[i] = i % 8;
	return s;
}

/* The program by this name; one that does not load with CAP_BPF alone does not take part. */
static void run_add(const char *name, const char *path, bool cap_bpf_alone)
{
	const struct steering s = usual(path ? path : "");
	struct run *r = &runs[n_runs];
	int error;

	if (n_runs == RUNS_MAX)
		die(name, E2BIG);
	snprintf(r->name, sizeof(r->name), "%s%s", name, cap_bpf_alone ? ", CAP_BPF alone" : "");
	r->path = path;
	r->cap_bpf_alone = cap_bpf_alone;
	error = run_load(r, &r->object);
	if (error && cap_bpf_alone)
		return;
	if (error)
		die(r->name, -error);
	if (path)
		object_steer(&r->object, &s);
	n_runs++;
}

/* Another source for each flow: the innermost header's address, or the one in its place. */
static void flow_of(struct packet *p, size_t class, unsigned int flow)
{
	static const uint8_t *const sources[] = { packet_home, packet_src6, packet_src4 };
	static const size_t lens[] = { 16, 16, 4 };

	packet_build(p, classes[class].packet);
	for (size_t i = 0; i < 3; i++) {
		uint8_t *source = NULL, *at = p->bytes, *const end = p->bytes + p->len;

		while ((at = memmem(at, (size_t)(end - at), sources[i], lens[i])))
			source = at++;
		if (source)
			source[lens[i] - 1] = (uint8_t)(flow * 29);
	}
}

/* Lowers *shortest to how long a slice took, if that is less. */
static void slice(const struct object *o, const struct packet *p, uint64_t *shortest)
{
	uint64_t ns, before = counter < 0 ? 0 : retired_read(counter);
	int error = object_time(o, p->bytes, p->len, REPEAT, &ns);

	if (counter >= 0)
		ns = retired_read(counter) - before;
	if (error)
		die("BPF_PROG_TEST_RUN", -error);
	if (ns < *shortest)
		*shortest = ns;
}

/* Adds what one flow's packets cost in each program to its round. */
static void flow_measure(const struct packet *p, size_t class, unsigned int round)
{
	uint64_t shortest[RUNS_MAX];

	memset(shortest, 0xff, sizeof(shortest));
	for (unsigned int i = 0; i < n_slices; i++)
		for (size_t r = 0; r < n_runs; r++)
			slice(&runs[r].object, p, &shortest[r]);
	for (size_t r = 0; r < n_runs; r++)
		runs[r].ns[class][round] += (double)shortest[r] / REPEAT / FLOWS;
}

static void class_measure(size_t class, unsigned int round)
{
	for (unsigned int flow = 0; flow < FLOWS; flow++) {
		struct packet p;

		flow_of(&p, class, flow);
		flow_measure(&p, class, round);
	}
}

/* Loads a program anew: where its code comes to lie can make 10 ns, and is new each round. */
static void run_reload(struct run *r, unsigned int round)
{
	const struct steering s = usual(r->path ? r->path : "");
	int error;

	object_unload(&r->object);
	error = run_load(r, &r->object);
	if (error)
		die(r->name, -error);
	r->load_ms[round] = (double)r->object.load_ns / 1e6;
	if (r->path)
		object_steer(&r->object, &s);
}

static void measure(void)
{
	for (unsigned int round = 0; round < n_rounds; round++) {
		for (size_t i = 0; i < n_runs; i++)
			run_reload(&runs[i], round);
		for (size_t c = 0; c < n_classes; c++)
			class_measure(c, round);
	}
}

static void print_values(const char *name, const double *values, const char *end)
{
	printf("\"%s\": [", name);
	for (unsigned int i = 0; i < n_rounds; i++)
		printf("%s%.2f", i ? ", " : "", values[i]);
	printf("]%s", end);
}

static void print_json(void)
{
	printf("{\"flows\": %d, \"repeat\": %d, \"programs\": [\n", FLOWS, REPEAT);
	for (size_t i = 0; i < n_runs; i++) {
		printf("  {\"name\": \"%s\", \"verified_insns\": %u, ", runs[i].name,
		       runs[i].object.insns_verified);
		print_values("load_ms", runs[i].load_ms, ", \"ns\": {");
		for (size_t c = 0; c < n_classes; c++)
			print_values(classes[c].name, runs[i].ns[c],
				     c + 1 < n_classes ? ", " : "}}");
		printf("%s\n", i + 1 < n_runs ? "," : "");
	}
	printf("]}\n");
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void min_and_median(const double *values, double *ret_min, double *ret_median)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, values, n_rounds * sizeof(*values));
	qsort(sorted, n_rounds, sizeof(*sorted), ascending);
	*ret_min = sorted[0];
	*ret_median = sorted[n_rounds / 2];
}

/* What a program adds to another one in each round: of rounds, so that neighbours cancel out. */
static void print_class(const struct run *r, size_t c, const struct run *base)
{
	double own[ROUNDS_MAX], min, median;

	for (unsigned int i = 0; i < n_rounds; i++)
		own[i] = r->ns[c][i] - (r == base ? 0 : base->ns[c][i]);
	min_and_median(own, &min, &median);
	printf("%14.1f%8.1f", min, median);
}

static const struct run *run_named(const char *name)
{
	for (size_t i = 0; i < n_runs; i++)
		if (!strcmp(runs[i].name, name))
			return &runs[i];
	return NULL;
}

/* What counting adds, if both objects took part. */
static void print_counting(void)
{
	const struct run *rss = run_named("rss"), *stats = run_named("rss-stats");

	if (!rss || !stats)
		return;
	printf("%-26s", "rss-stats adds to rss");
	for (size_t c = 0; c < n_classes; c++)
		print_class(stats, c, rss);
	printf("\n");
}

static void print_table(void)
{
	printf("%s a packet, the empty program's taken off; ms a load\n%-26s",
	       counter < 0 ? "ns" : "instructions", "");
	for (size_t c = 0; c < n_classes; c++)
		printf("%14s%8s", classes[c].name, "median");
	printf("%8s%8s%10s\n", "load", "median", "verified");
	for (size_t i = 0; i < n_runs; i++) {
		double min, median;

		printf("%-26s", runs[i].name);
		for (size_t c = 0; c < n_classes; c++)
			print_class(&runs[i], c, &runs[0]);
		min_and_median(runs[i].load_ms, &min, &median);
		printf("%8.2f%8.2f%10u\n", min, median, runs[i].object.insns_verified);
	}
	print_counting();
}

/* Or the test programs of whoever else works here take turns with ours.  No loss without it. */
static void prioritize(void)
{
	const struct sched_param first = { .sched_priority = 50 };

	sched_setscheduler(0, SCHED_FIFO, &first);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "tunnels", no_argument, NULL, 't' },
		{ "instructions", no_argument, NULL, 'i' },
		{ 0 },
	};
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'j')
			json = true;
		else if (option == 'r')
			n_rounds = (unsigned int)atoi(optarg);
		else if (option == 't')
			classes = inside, n_classes = COUNT(inside);
		else if (option == 'i')
			counter = retired_open(), n_slices = COUNTED;
		else
			return 2;
	}
	if (n_rounds < 1 || n_rounds > ROUNDS_MAX)
		return 2;
	if (n_slices == COUNTED && counter < 0)
		die("no counter of instructions", errno);
	run_add("empty", NULL, false);
	for (char **arg = argv + optind; *arg; arg++) {
		char *path = strchr(*arg, '=');

		if (!path)
			return 2;
		*path++ = '\0';
		run_add(*arg, path, false);
		run_add(*arg, path, true);
	}
	prioritize();
	measure();
	if (json)
		print_json();
	else
		print_table();
	return 0;
}
