/* SPDX-License-Identifier: MIT */
/*
 * A multi-queue tap from both sides: its queues, as a VMM reads them, and a socket that sends into
 * it.  Ends the process when something cannot be had.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/frames.h"

static inline void tap_die(const char *what)
{
	perror(what);
	exit(1);
}

static inline int tap_queue_open(const char *ifname)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr))
		tap_die("tap: queue");
	return fd;
}

static inline int tap_sender_open(const char *ifname)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)if_nametoindex(ifname),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		tap_die("tap: packet socket");
	return fd;
}

/* Sends them all; what the tap has no room for is dropped by it. */
static inline void tap_send(int sender, struct mmsghdr *messages, unsigned n)
{
	for (unsigned done = 0; done < n;) {
		int sent = sendmmsg(sender, messages + done, n - done, 0);

		if (sent < 0 && errno != ENOBUFS)
			tap_die("tap: sendmmsg");
		done += sent > 0 ? (unsigned)sent : 1;
	}
}

/* Reads all there is; counts by queue. */
static inline void tap_drain(const int *queues, size_t n, uint64_t *counts)
{
	uint8_t frame[FRAME_MAX + 64];

	for (size_t i = 0; i < n; i++)
		while (read(queues[i], frame, sizeof(frame)) > 0)
			counts[i]++;
}
