// SPDX-License-Identifier: MIT
/*
 * The test guest's agent: obeys the host over a serial line, and notes on
 * which receive queue each flow comes in.  It must never guess: the queue is
 * the one that the guest's own driver recorded in the packet, read by a
 * classic BPF filter on one packet socket per queue.
 *
 * A request is a line, its reply "LENGTH STATUS\n" and LENGTH bytes:
 *	exec COMMAND          runs it by sh; its output; its exit status
 *	rss IFACE KEY TABLE   sets key and indirection table (both hex, an entry is 4 digits)
 *	watch IFACE QUEUES    starts noting flows, all unseen
 *	flows N               a letter for each of the flows 0..N-1: '.' not seen, '!' seen on two
 *	                      queues, else the queue, counted from 'A'
 *
 * A frame belongs to flow F if its last eight bytes are "RSSF" and F, big-endian.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define QUEUES_MAX  16
#define FLOWS_MAX   65536
#define TABLE_MAX   128
#define KEY_LEN	    40
#define FLOW_MAGIC  0x52535346u /* "RSSF" */
#define TRAILER_LEN 8
#define REQUEST_MAX 4096
#define REPLY_MAX   (FLOWS_MAX + 1)
#define RCVBUF	    (16 * 1024 * 1024)

struct agent {
	int serial;
	int sockets[QUEUES_MAX];
	unsigned int n_sockets;
	char flows[FLOWS_MAX];
	char request[REQUEST_MAX];
	size_t request_len;
	char reply[REPLY_MAX];
	size_t reply_len;
};

/* --- noting flows ------------------------------------------------------- */

/* Accepts frames with our trailer that came in on the queue. */
static int socket_filter(int sock, unsigned int queue)
{
	/* The queue mapping of a received packet counts from 1; 0: not recorded. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_QUEUE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, queue + 1, 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, TRAILER_LEN),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FLOW_MAGIC, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return setsockopt(sock, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

/* The filter is there before the socket is bound: nothing else ever gets in. */
static int socket_open(int ifindex, unsigned int queue)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = ifindex,
	};
	int rcvbuf = RCVBUF;
	int sock = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return -1;
	if (socket_filter(sock, queue) == 0 &&
	    setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf)) == 0 &&
	    bind(sock, (struct sockaddr *)&address, sizeof(address)) == 0)
		return sock;
	close(sock);
	return -1;
}

static void flow_note(struct agent *a, unsigned int queue, const uint8_t *frame, size_t len)
{
	char letter = (char)('A' + queue);
	uint32_t flow;

	if (len < TRAILER_LEN)
		return;
	memcpy(&flow, frame + len - sizeof(flow), sizeof(flow));
	flow = ntohl(flow);
	if (flow >= FLOWS_MAX)
		return;
	if (a->flows[flow] == '.')
		a->flows[flow] = letter;
	else if (a->flows[flow] != letter)
		a->flows[flow] = '!';
}

static void socket_drain(struct agent *a, unsigned int queue)
{
	static uint8_t frame[65536];
	ssize_t n;

	while ((n = recv(a->sockets[queue], frame, sizeof(frame), 0)) >= 0)
		flow_note(a, queue, frame, (size_t)n);
}

/* --- requests: each returns a status and leaves its output in the reply --- */

static int request_exec(struct agent *a, const char *command)
{
	FILE *pipe = popen(command, "r");
	int status;

	if (!pipe)
		return errno;
	a->reply_len = fread(a->reply, 1, sizeof(a->reply), pipe);
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* Reads n numbers of so many hex digits each; returns how many there were. */
static size_t hex_read(const char *hex, int digits, uint32_t *ret, size_t n)
{
	char number[9] = "";
	size_t i = 0;

	for (; i < n && strlen(hex) >= (size_t)digits; i++, hex += digits) {
		memcpy(number, hex, (size_t)digits);
		ret[i] = (uint32_t)strtoul(number, NULL, 16);
	}
	return i;
}

static int iface_ethtool(const char *iface, void *command)
{
	struct ifreq ifr = { .ifr_data = command };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", iface);
	r = ioctl(sock, SIOCETHTOOL, &ifr) ? errno : 0;
	close(sock);
	return r;
}

/* ethtool(8) cannot set any table, only weights; its ioctl can. */
static int request_rss(const char *args)
{
	uint32_t buffer[sizeof(struct ethtool_rxfh) / 4 + TABLE_MAX + KEY_LEN / 4];
	struct ethtool_rxfh *set = (struct ethtool_rxfh *)buffer;
	char iface[IFNAMSIZ], key_hex[2 * KEY_LEN + 1], table_hex[4 * TABLE_MAX + 1];
	uint32_t key[KEY_LEN];
	uint8_t *key_at;

	if (sscanf(args, "%15s %80s %512s", iface, key_hex, table_hex) != 3)
		return EINVAL;
	memset(buffer, 0, sizeof(buffer));
	set->cmd = ETHTOOL_SRSSH;
	set->indir_size = (uint32_t)hex_read(table_hex, 4, set->rss_config, TABLE_MAX);
	set->key_size = (uint32_t)hex_read(key_hex, 2, key, KEY_LEN);

	key_at = (uint8_t *)&set->rss_config[set->indir_size];
	for (size_t i = 0; i < set->key_size; i++)
		key_at[i] = (uint8_t)key[i];
	return iface_ethtool(iface, set);
}

static int request_watch(struct agent *a, const char *args)
{
	char iface[IFNAMSIZ];
	unsigned int queues;

	if (sscanf(args, "%15s %u", iface, &queues) != 2 || queues > QUEUES_MAX)
		return EINVAL;
	while (a->n_sockets > 0)
		close(a->sockets[--a->n_sockets]);
	memset(a->flows, '.', sizeof(a->flows));
	for (unsigned int queue = 0; queue < queues; queue++) {
		int sock = socket_open((int)if_nametoindex(iface), queue);

		if (sock < 0)
			return errno;
		a->sockets[a->n_sockets++] = sock;
	}
	return 0;
}

static int request_flows(struct agent *a, const char *args)
{
	size_t n = strtoul(args, NULL, 10);

	if (n > FLOWS_MAX)
		return EINVAL;
	for (unsigned int queue = 0; queue < a->n_sockets; queue++)
		socket_drain(a, queue);
	memcpy(a->reply, a->flows, n);
	a->reply_len = n;
	return 0;
}

static int request_run(struct agent *a, char *line)
{
	char *args = strchr(line, ' ');

	if (!args)
		return ENOSYS;
	*args++ = '\0';
	if (!strcmp(line, "exec"))
		return request_exec(a, args);
	if (!strcmp(line, "rss"))
		return request_rss(args);
	if (!strcmp(line, "watch"))
		return request_watch(a, args);
	if (!strcmp(line, "flows"))
		return request_flows(a, args);
	return ENOSYS;
}

/* --- the serial line ------------------------------------------------------ */

static int serial_open(const char *path)
{
	struct termios tio;
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || tcgetattr(fd, &tio))
		return -1;
	cfmakeraw(&tio);
	cfsetspeed(&tio, B115200);
	return tcsetattr(fd, TCSANOW, &tio) ? -1 : fd;
}

static void serial_write(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			exit(1);
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
}

static void serial_answer(struct agent *a, int status)
{
	char head[32];
	int len = snprintf(head, sizeof(head), "%zu %d\n", a->reply_len, status);

	serial_write(a->serial, head, (size_t)len);
	serial_write(a->serial, a->reply, a->reply_len);
}

static void serial_read(struct agent *a)
{
	ssize_t n =
		read(a->serial, a->request + a->request_len, sizeof(a->request) - a->request_len);
	char *end;

	if (n <= 0)
		return;
	a->request_len += (size_t)n;
	end = memchr(a->request, '\n', a->request_len);
	if (!end) {
		if (a->request_len == sizeof(a->request))
			a->request_len = 0;
		return;
	}
	*end = '\0';
	a->reply_len = 0;
	a->request_len = 0; /* the host waits for each reply */
	serial_answer(a, request_run(a, a->request));
}

/* Waits for a request or packets, and serves them. */
static void agent_turn(struct agent *a)
{
	struct pollfd fds[1 + QUEUES_MAX] = { { .fd = a->serial, .events = POLLIN } };
	unsigned int n_sockets = a->n_sockets;

	for (unsigned int i = 0; i < n_sockets; i++)
		fds[1 + i] = (struct pollfd){ .fd = a->sockets[i], .events = POLLIN };
	if (poll(fds, 1 + n_sockets, -1) < 0)
		return;
	for (unsigned int i = 0; i < n_sockets; i++)
		if (fds[1 + i].revents)
			socket_drain(a, i);
	if (fds[0].revents)
		serial_read(a);
}

int main(int argc, char **argv)
{
	static struct agent a;

	setenv("PATH", "/bin:/sbin:/usr/sbin:/usr/bin", 1);
	a.serial = argc == 2 ? serial_open(argv[1]) : -1;
	if (a.serial < 0) {
		perror("agent: serial line");
		return 1;
	}
	serial_write(a.serial, "0 0\n", 4); /* ready */
	for (;;)
		agent_turn(&a);
}
