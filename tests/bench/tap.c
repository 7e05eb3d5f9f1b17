// SPDX-License-Identifier: MIT
/*
 * What sending a packet into a multi-queue tap costs the sender, by what steers
 * the tap; and how evenly the packets land.  One thread sends a batch and then
 * drains the queues, so that nobody's scheduling is measured: only the CPU time
 * of sending counts.  It must never share its tap with anything.
 *
 * usage: tap IFNAME ROUNDS PACKETS STEERER...
 *	STEERER: NAME=OBJECT | empty | automq; they take turns within a round
 *
 * Prints a JSON list, an element for each class, number of flows, size and
 * steerer: ns (a packet, of each round), spread (largest share / fair share); tunnels
 * with most flows and the least size alone;
 * then one for each program with 4,096 flows of the untagged classes mixed, by the
 * kernel's own statistics: run_ns (of each round).
 */
#include <time.h>

#include "proto/util/fd.h"
#include "tests/bench/frames.h"
#include "tests/bench/steerers.h"
#include "tests/bench/tap_queues.h"

#define QUEUES	     4
#define BATCH	     512 /* frames between two drains: a queue holds more */
#define FLOWS_MAX    4096
#define ROUNDS_MAX   64
#define STEERERS_MAX 8
#define BATCHES_MAX  1024

static const struct frame_class classes[] = {
	{ "tcp4", false, IPPROTO_TCP, false }, { "udp4", false, IPPROTO_UDP, false },
	{ "tcp6", true, IPPROTO_TCP, false },  { "udp6", true, IPPROTO_UDP, false },
	{ "vlan", false, IPPROTO_TCP, true }, /* rare: a tap's tags are in metadata */
};
#define MIXED_CLASSES 4 /* the usual ones */

/* TCP over IPv4 in tunnels of one outer flow. */
static const struct frame_class tunnels[] = {
	{ "gre", false, IPPROTO_TCP, false, FRAME_GRE },
	{ "ipip", false, IPPROTO_TCP, false, FRAME_IPIP },
	{ "nvgre", false, IPPROTO_TCP, false, FRAME_NVGRE },
	{ "vxlan", false, IPPROTO_TCP, false, FRAME_VXLAN },
	{ "geneve", false, IPPROTO_TCP, false, FRAME_GENEVE },
	{ "gre-udp", false, IPPROTO_TCP, false, FRAME_GRE_UDP },
	{ "vxlan-gpe", false, IPPROTO_TCP, false, FRAME_VXLAN_GPE },
};
static const unsigned flow_counts[] = { 1, 64, 4096 };
static const size_t sizes[] = { 64, 1400 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int queues[QUEUES];
static int sender = -1;
static unsigned n_rounds, n_packets;
static struct steerer steerers[STEERERS_MAX];
static size_t n_steerers;

/* The traffic: frame i of a batch is messages[i]. */
static uint8_t frames[FLOWS_MAX][FRAME_MAX];
static struct iovec iovs[FLOWS_MAX];
static struct mmsghdr messages[FLOWS_MAX];
static unsigned n_frames;

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- the tap --------------------------------------------------------------- */

static void steer_by(const struct steerer *s)
{
	if (ioctl(queues[0], TUNSETSTEERINGEBPF, &s->prog))
		tap_die("tap: TUNSETSTEERINGEBPF");
}

static void drain(uint64_t counts[QUEUES])
{
	tap_drain(queues, QUEUES, counts);
}

/* --- traffic ----------------------------------------------------------------- */

static void traffic_add(const struct frame_class *class, uint32_t flow, size_t size)
{
	struct iovec *iov = &iovs[n_frames];

	iov->iov_base = frames[n_frames];
	iov->iov_len = frame_make(frames[n_frames], class, flow, size);
	messages[n_frames].msg_hdr = (struct msghdr){ .msg_iov = iov, .msg_iovlen = 1 };
	n_frames++;
}

/* Whole batches, whatever the number of flows. */
static void traffic_make(const struct frame_class *class, unsigned flows, size_t size)
{
	n_frames = 0;
	for (uint32_t i = 0; i < (flows < BATCH ? BATCH : flows); i++)
		traffic_add(class, i % flows, size);
}

static void traffic_mix(void)
{
	n_frames = 0;
	for (uint32_t i = 0; i < FLOWS_MAX; i++)
		traffic_add(&classes[i % MIXED_CLASSES], i, sizes[0]);
}

/* Sends a batch; returns the CPU time that it took, in ns. */
static uint64_t send_batch(unsigned first)
{
	uint64_t begin = cpu_ns();

	tap_send(sender, messages + first, BATCH);
	return cpu_ns() - begin;
}

/* Sends a batch's worth of the traffic again and again until n packets are out. */
static void send_all(unsigned n, uint64_t counts[QUEUES])
{
	for (unsigned sent = 0; sent < n; sent += BATCH) {
		send_batch(sent % n_frames);
		drain(counts);
	}
}

/* --- measuring ------------------------------------------------------------------ */

struct result {
	double ns[ROUNDS_MAX];
	uint64_t counts[QUEUES];
};

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The median batch: an interrupt or a neighbour hits few of them. */
static double median_ns(uint64_t *batches, unsigned n)
{
	uint64_t median;

	qsort(batches, n, sizeof(*batches), compare);
	median = batches[n / 2];
	return (double)median / BATCH;
}

/* A round: the steerers take turns batch by batch. */
static void measure_round(struct result *results, unsigned round)
{
	static uint64_t batches[STEERERS_MAX][BATCHES_MAX];
	unsigned n = n_packets / BATCH;

	for (unsigned batch = 0; batch < n; batch++) {
		for (size_t i = 0; i < n_steerers; i++) {
			steer_by(&steerers[i]);
			batches[i][batch] = send_batch(batch * BATCH % n_frames);
			drain(results[i].counts);
		}
	}
	for (size_t i = 0; i < n_steerers; i++)
		results[i].ns[round] = median_ns(batches[i], n);
}

static double spread(const uint64_t counts[QUEUES])
{
	uint64_t sum = 0, most = 0;

	for (size_t i = 0; i < QUEUES; i++) {
		sum += counts[i];
		most = counts[i] > most ? counts[i] : most;
	}
	return sum ? (double)most * QUEUES / (double)sum : 0;
}

static void print_values(const char *name, const double *values)
{
	printf("\"%s\": [", name);
	for (unsigned i = 0; i < n_rounds; i++)
		printf("%s%.2f", i ? ", " : "", values[i]);
	putchar(']');
}

/* One kind of traffic, by every steerer in turn. */
static void measure_traffic(const struct frame_class *class, unsigned flows, size_t size)
{
	static struct result results[STEERERS_MAX];

	memset(results, 0, sizeof(results));
	traffic_make(class, flows, size);
	for (unsigned round = 0; round < n_rounds; round++)
		measure_round(results, round);
	for (size_t i = 0; i < n_steerers; i++) {
		printf("{\"class\": \"%s\", \"flows\": %u, \"size\": %zu, \"steerer\": \"%s\", ",
		       class->name, flows, size, steerers[i].name);
		print_values("ns", results[i].ns);
		printf(", \"spread\": %.3f},\n", spread(results[i].counts));
	}
}

/* --- by the kernel's statistics ------------------------------------------------- */

static struct bpf_prog_info prog_info(int prog)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(prog, &info, &len))
		tap_die("tap: program info");
	return info;
}

static double run_ns(const struct steerer *s)
{
	uint64_t counts[QUEUES] = { 0 };
	struct bpf_prog_info before, after;

	steer_by(s);
	before = prog_info(s->prog);
	send_all(n_packets, counts);
	after = prog_info(s->prog);
	return (double)(after.run_time_ns - before.run_time_ns) /
	       (double)(after.run_cnt - before.run_cnt);
}

static void measure_statistics(void)
{
	static double results[STEERERS_MAX][ROUNDS_MAX];
	_cleanup_fd_ int stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	const char *comma = "";

	if (stats < 0)
		tap_die("tap: BPF_ENABLE_STATS");
	traffic_mix();
	for (unsigned round = 0; round < n_rounds; round++)
		for (size_t i = 0; i < n_steerers; i++)
			if (steerers[i].prog >= 0)
				results[i][round] = run_ns(&steerers[i]);
	for (size_t i = 0; i < n_steerers; i++) {
		if (steerers[i].prog < 0)
			continue;
		printf("%s{\"class\": \"mixed\", \"flows\": %d, \"steerer\": \"%s\", ", comma,
		       FLOWS_MAX, steerers[i].name);
		print_values("run_ns", results[i]);
		putchar('}');
		comma = ",\n";
	}
}

int main(int argc, char **argv)
{
	if (argc < 5 || argc > 4 + STEERERS_MAX) {
		fprintf(stderr, "usage: tap IFNAME ROUNDS PACKETS STEERER...\n");
		return 2;
	}
	n_rounds = (unsigned)strtoul(argv[2], NULL, 10);
	n_packets = (unsigned)strtoul(argv[3], NULL, 10);
	if (!n_rounds || n_rounds > ROUNDS_MAX || n_packets < BATCH ||
	    n_packets > BATCH * BATCHES_MAX)
		return 2;
	for (size_t i = 0; i < QUEUES; i++)
		queues[i] = tap_queue_open(argv[1]);
	sender = tap_sender_open(argv[1]);
	for (char **spec = argv + 4; *spec; spec++)
		steerers[n_steerers++] = steerer_make(*spec, QUEUES);

	puts("[");
	for (size_t c = 0; c < COUNT(classes); c++)
		for (size_t f = 0; f < COUNT(flow_counts); f++)
			for (size_t s = 0; s < COUNT(sizes); s++)
				measure_traffic(&classes[c], flow_counts[f], sizes[s]);
	for (size_t t = 0; t < COUNT(tunnels); t++)
		measure_traffic(&tunnels[t], FLOWS_MAX, sizes[0]);
	measure_statistics();
	puts("]");
	return 0;
}
