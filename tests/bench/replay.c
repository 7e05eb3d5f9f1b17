// SPDX-License-Identifier: MIT
/*
 * Replays the same packets into a multi-queue tap, round and round, and says after each cycle how
 * many came out of each queue.  It must never share its tap with anything.
 *
 * usage: replay IFNAME QUEUES LENGTH FRAMES [CYCLES]
 *	FRAMES: a file of frames of LENGTH bytes each; without CYCLES until stdin ends
 *
 * A line a cycle: seconds by the monotonic clock, then a count for each queue.
 */
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/bench/tap_queues.h"

#define BATCH	   64 /* frames between two drains: any queue has room for all of them */
#define QUEUES_MAX 64

static int queues[QUEUES_MAX];
static size_t n_queues;
static int sender;
static struct iovec *iovs;
static struct mmsghdr *messages;
static unsigned n_frames;

static void frames_read(const char *path, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *bytes;

	if (fd < 0 || fstat(fd, &st))
		tap_die(path);
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	n_frames = (unsigned)((size_t)st.st_size / len);
	iovs = calloc(n_frames, sizeof(*iovs));
	messages = calloc(n_frames, sizeof(*messages));
	if (bytes == MAP_FAILED || !iovs || !messages)
		tap_die(path);
	close(fd);
	for (unsigned i = 0; i < n_frames; i++) {
		iovs[i] = (struct iovec){ bytes + i * len, len };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &iovs[i], .msg_iovlen = 1 };
	}
}

static void cycle(void)
{
	uint64_t counts[QUEUES_MAX] = { 0 };
	struct timespec now;

	for (unsigned i = 0; i < n_frames; i += BATCH) {
		tap_send(sender, messages + i, n_frames - i < BATCH ? n_frames - i : BATCH);
		tap_drain(queues, n_queues, counts);
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("%.3f", (double)now.tv_sec + (double)now.tv_nsec / 1e9);
	for (size_t i = 0; i < n_queues; i++)
		printf(" %llu", (unsigned long long)counts[i]);
	putchar('\n');
	fflush(stdout);
}

static bool goes_on(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&input, 1, 0) == 0;
}

int main(int argc, char **argv)
{
	unsigned long left = argc == 6 ? strtoul(argv[5], NULL, 10) : 0;
	size_t len = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;

	n_queues = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	if (argc < 5 || argc > 6 || !n_queues || n_queues > QUEUES_MAX || !len || len > FRAME_MAX)
		return 2;
	for (size_t i = 0; i < n_queues; i++)
		queues[i] = tap_queue_open(argv[1]);
	sender = tap_sender_open(argv[1]);
	frames_read(argv[4], len);
	if (argc == 6)
		while (left--)
			cycle();
	else
		while (goes_on())
			cycle();
	return 0;
}
