/* SPDX-License-Identifier: MIT */
/*
 * Steers a multi-queue tap by hash, without any privilege, through librssb.
 *
 *	cc steer.c -o steer $(pkg-config --cflags --libs rssb)
 *	steer IFNAME QUEUES
 *
 * Opens the tap's queues, as a VMM does, asks rss-broker for a program that
 * nobody can change any more, attaches it, and prints for each packet the queue
 * that it came in on.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include <rssb.h>

#define QUEUES_MAX 16

static int queue_open(const char *ifname)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_MULTI_QUEUE | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	strncpy(ifr.ifr_name, ifname, sizeof(ifr.ifr_name) - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr))
		err(1, "%s", ifname);
	return fd;
}

/* A program that spreads flows evenly; the caller's, like the lease that comes with it. */
static struct rssb_fds program_get(uint16_t queues, const uint8_t key[RSSB_KEY_BYTES])
{
	uint16_t table[RSSB_TABLE_ENTRIES_MAX];
	const struct rssb_steering steering = {
		.size = sizeof(steering),
		.hash_types = 0x3f, /* IPv4, TCP and UDP over it, and the same for IPv6 */
		.queues = queues,
		.table_len = RSSB_TABLE_ENTRIES_MAX,
		.table = table,
		.key = key,
	};
	const struct rssb_acquire_options options = {
		.size = sizeof(options),
		.kind = RSSB_PROGRAM_ONLY,
		.steering = &steering,
	};
	struct rssb_fds fds = RSSB_FDS_INIT;
	struct rssb *broker;

	for (int i = 0; i < RSSB_TABLE_ENTRIES_MAX; i++)
		table[i] = (uint16_t)(i % queues);
	if (rssb_connect(&broker, NULL) || rssb_acquire(broker, &options, &fds, NULL))
		errx(1, "%s", broker ? rssb_reason(broker) : "no memory");
	rssb_close(broker);
	return fds;
}

static void print_steering(const char *ifname, int queues, const uint8_t key[RSSB_KEY_BYTES])
{
	printf("%s: \"equal %d hkey ", ifname, queues);
	for (int i = 0; i < RSSB_KEY_BYTES; i++)
		printf("%s%02x", i ? ":" : "", key[i]);
	puts("\"");
}

static void print_packets(struct pollfd *queues, int n)
{
	char packet[65536];
	ssize_t len;

	while (poll(queues, (nfds_t)n, -1) > 0)
		for (int i = 0; i < n; i++)
			while ((len = read(queues[i].fd, packet, sizeof(packet))) > 0)
				printf("queue %d: %zd bytes\n", i, len);
}

int main(int argc, char **argv)
{
	struct pollfd queues[QUEUES_MAX];
	uint8_t key[RSSB_KEY_BYTES];
	struct rssb_fds fds;
	int n;

	if (argc != 3 || (n = atoi(argv[2])) < 1 || n > QUEUES_MAX)
		errx(2, "usage: steer IFNAME QUEUES");
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < n; i++)
		queues[i] = (struct pollfd){ .fd = queue_open(argv[1]), .events = POLLIN };
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		err(1, "getrandom");

	fds = program_get((uint16_t)n, key);
	if (ioctl(queues[0].fd, TUNSETSTEERINGEBPF, &fds.prog))
		err(1, "TUNSETSTEERINGEBPF");
	close(fds.prog); /* the kernel has its own reference; the lease stays open while we run */
	print_steering(argv[1], n, key);
	print_packets(queues, n);
	return 1;
}
