// SPDX-License-Identifier: MIT
/*
 * A process without any capability that reads a multi-queue tap steered by a
 * program it could never have loaded: what make demo shows, and the shortest
 * example of librssb.  It must never be given a privilege.
 *
 * usage: demo_client SOCKET IFNAME KEY TABLE FLOWS
 *	KEY    40 bytes in hex      TABLE    queue numbers with commas between
 *
 * Prints "ready", then "FLOW QUEUE" for each frame that comes in until FLOWS
 * frames came or none for two seconds, then "done"; ends when stdin does.
 * A frame's last four bytes are its flow's number, big-endian.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/include/rssb.h"
#include "proto/util/fd.h"

#define QUEUES	4
#define IDLE_MS 2000

static int key_read(uint8_t key[RSSB_KEY_BYTES], const char *hex)
{
	if (strlen(hex) != 2 * RSSB_KEY_BYTES)
		return -EINVAL;
	for (size_t i = 0; i < RSSB_KEY_BYTES; i++) {
		const char digits[] = { hex[2 * i], hex[2 * i + 1], '\0' };
		char *end;

		key[i] = (uint8_t)strtoul(digits, &end, 16);
		if (*end)
			return -EINVAL;
	}
	return 0;
}

/* Returns how many entries the table has. */
static uint16_t table_read(uint16_t table[RSSB_TABLE_ENTRIES_MAX], char *list)
{
	uint16_t n = 0;

	for (char *entry = strtok(list, ","); entry && n < RSSB_TABLE_ENTRIES_MAX;
	     entry = strtok(NULL, ","))
		table[n++] = (uint16_t)strtoul(entry, NULL, 10);
	return n;
}

/* Asks the broker for a program with this key and table.  The program is the caller's. */
static int steering_acquire(const char *socket, const char *key_hex, char *table_list,
			    struct rssb_fds *ret)
{
	uint16_t table[RSSB_TABLE_ENTRIES_MAX];
	uint8_t key[RSSB_KEY_BYTES];
	struct rssb_steering steering = {
		.size = sizeof(steering),
		.hash_types = 0x3f, /* IPv4, TCPv4, UDPv4, IPv6, TCPv6, UDPv6 */
		.queues = QUEUES,
		.table_len = table_read(table, table_list),
		.table = table,
		.key = key,
	};
	struct rssb_acquire_options options = {
		.size = sizeof(options),
		.kind = RSSB_PROGRAM_ONLY,
		.steering = &steering,
	};
	struct rssb_grant grant;
	struct rssb *broker;
	int r;

	r = key_read(key, key_hex);
	if (r)
		return r;
	r = rssb_connect(&broker, socket);
	if (!r)
		r = rssb_acquire(broker, &options, ret, &grant);
	if (r)
		fprintf(stderr, "demo_client: %s\n", broker ? rssb_reason(broker) : strerror(-r));
	rssb_close(broker);
	return r;
}

static int tap_open(const char *ifname)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr)) {
		perror("demo_client: tap");
		exit(1);
	}
	return fd;
}

/* Prints the flow of every frame that waits on a queue; returns how many there were. */
static unsigned long queue_drain(int fd, int queue)
{
	unsigned long frames = 0;
	uint8_t frame[65536];
	uint32_t flow;
	ssize_t n;

	while ((n = read(fd, frame, sizeof(frame))) >= (ssize_t)sizeof(flow)) {
		memcpy(&flow, frame + n - sizeof(flow), sizeof(flow));
		printf("%u %d\n", ntohl(flow), queue);
		frames++;
	}
	return frames;
}

static void queues_read(struct pollfd queues[QUEUES], unsigned long expected)
{
	unsigned long frames = 0;

	while (frames < expected && poll(queues, QUEUES, IDLE_MS) > 0)
		for (int i = 0; i < QUEUES; i++)
			if (queues[i].revents)
				frames += queue_drain(queues[i].fd, i);
}

int main(int argc, char **argv)
{
	struct rssb_fds fds = RSSB_FDS_INIT;
	struct pollfd queues[QUEUES];

	if (argc != 6) {
		fprintf(stderr, "usage: demo_client SOCKET IFNAME KEY TABLE FLOWS\n");
		return 2;
	}
	if (steering_acquire(argv[1], argv[3], argv[4], &fds))
		return 1;
	for (int i = 0; i < QUEUES; i++)
		queues[i] = (struct pollfd){ .fd = tap_open(argv[2]), .events = POLLIN };
	if (ioctl(queues[0].fd, TUNSETSTEERINGEBPF, &fds.prog)) {
		perror("demo_client: TUNSETSTEERINGEBPF");
		return 1;
	}

	puts("ready");
	fflush(stdout);
	queues_read(queues, strtoul(argv[5], NULL, 10));
	puts("done");
	fflush(stdout);
	while (getchar() != EOF)
		;
	rssb_fds_close(&fds);
	return 0;
}
