/* SPDX-License-Identifier: MIT */
/*
 * A client that goes on for ever: attaches the program that it inherits (rssb run --steering)
 * to the tap, sends packets into that and reads its four queues.  Where they came out it says
 * in a file, "N N N N\n" ten times a second.  It must never ask the broker for anything.
 *
 * usage: steered TAP FILE     who may open TAP has 192.0.2.2 behind it
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUES	  4
#define FLOWS	  16
#define UDP_PORT  9
#define FRAME_MAX 2048

static int die(const char *what)
{
	perror(what);
	exit(1);
}

static int queue_open(const char *tap)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", tap);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
		return die(tap);
	return fd;
}

static void attach(int queue)
{
	const char *fds = getenv("RSSB_FDS");
	int program;

	if (!fds || sscanf(fds, "program=%d", &program) != 1)
		die("RSSB_FDS");
	if (ioctl(queue, TUNSETSTEERINGEBPF, &program))
		die("TUNSETSTEERINGEBPF");
}

/* Each from a port of its own, so that without a program the queues would share them. */
static void send_flows(const int *socks)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(UDP_PORT) };

	inet_pton(AF_INET, "192.0.2.2", &to.sin_addr);
	for (int i = 0; i < FLOWS; i++)
		sendto(socks[i], "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
}

static unsigned count(int queue)
{
	unsigned char frame[FRAME_MAX];
	unsigned n = 0;

	while (read(queue, frame, sizeof(frame)) > 0)
		n += frame[12] == 8 && frame[13] == 0 && frame[23] == IPPROTO_UDP;
	return n;
}

int main(int argc, char **argv)
{
	int queues[QUEUES], socks[FLOWS], out;
	unsigned long seen[QUEUES] = { 0 };
	char line[128];

	if (argc != 3)
		return 2;
	for (int i = 0; i < QUEUES; i++)
		queues[i] = queue_open(argv[1]);
	attach(queues[0]);
	for (int i = 0; i < FLOWS; i++)
		socks[i] = socket(AF_INET, SOCK_DGRAM, 0);
	out = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (out < 0)
		return die(argv[2]);
	for (;;) {
		send_flows(socks);
		usleep(100000);
		for (int i = 0; i < QUEUES; i++)
			seen[i] += count(queues[i]);
		snprintf(line, sizeof(line), "%lu %lu %lu %lu\n", seen[0], seen[1], seen[2],
			 seen[3]);
		if (pwrite(out, line, strlen(line), 0) < 0)
			return die(argv[2]);
	}
}
