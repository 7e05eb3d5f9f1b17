// SPDX-License-Identifier: MIT
#include "tests/bpf/lib/tap.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "proto/util/fd.h"

#define TAP_NAME  "tap0"
#define VLAN_MARK 5 /* of frames that are to get a tag */

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

static int queue_open(void)
{
	struct ifreq request = { .ifr_name = TAP_NAME,
				 .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	need(fd >= 0, "/dev/net/tun");
	need(!ioctl(fd, TUNSETIFF, &request), "TUNSETIFF");
	return fd;
}

/* No IPv6 of the kernel's own: it would send through the tap too. */
static void set_quiet(void)
{
	_cleanup_fd_ int fd =
		open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		need(write(fd, "1", 1) == 1, "disable_ipv6");
}

static void link_up(void)
{
	_cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = TAP_NAME, .ifr_mtu = TAP_MTU };

	need(!ioctl(fd, SIOCSIFMTU, &request), "SIOCSIFMTU");
	request.ifr_flags = IFF_UP | IFF_NOARP;
	need(!ioctl(fd, SIOCSIFFLAGS, &request), "SIOCSIFFLAGS");
}

static int sender_open(bool vnet_hdr, int mark)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex(TAP_NAME) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int on = 1;

	need(fd >= 0, "AF_PACKET");
	need(!setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), "SO_MARK");
	need(!bind(fd, (struct sockaddr *)&to, sizeof(to)), "bind");
	if (vnet_hdr)
		need(!setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)),
		     "PACKET_VNET_HDR");
	return fd;
}

/*
 * Tags marked frames on their way out, as a VLAN device would: the tag is in the skb's
 * metadata, since a tap says that it can tag by itself.
 */
static void tag_marked_frames(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_W,
		  .dst_reg = 2,
		  .src_reg = 1,
		  .off = offsetof(struct __sk_buff, mark) },
		{ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 2, .imm = VLAN_MARK, .off = 3 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = htons(ETH_P_8021Q) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = 5 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_vlan_push },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(TAP_NAME),
		    .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts);

	_cleanup_fd_ int prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "tag", "MIT", insns,
					      sizeof(insns) / sizeof(insns[0]), NULL);
	need(prog >= 0, "the program that tags");
	opts.prog_fd = prog;
	need(!bpf_tc_hook_create(&hook) && !bpf_tc_attach(&hook, &opts), "clsact");
}

void tap_open(struct tap *t)
{
	need(!unshare(CLONE_NEWNET), "unshare");
	set_quiet();
	for (int i = 0; i < TAP_QUEUES; i++)
		t->queues[i] = queue_open();
	link_up();
	tag_marked_frames();
	t->sender = sender_open(false, 0);
	t->paged_sender = sender_open(true, 0);
	t->vlan_sender = sender_open(false, VLAN_MARK);
}

void tap_close(struct tap *t)
{
	for (int i = 0; i < TAP_QUEUES; i++)
		fd_closep(&t->queues[i]);
	fd_closep(&t->sender);
	fd_closep(&t->paged_sender);
	fd_closep(&t->vlan_sender);
}

int tap_steer(const struct tap *t, int prog)
{
	return ioctl(t->queues[0], TUNSETSTEERINGEBPF, &prog) ? -errno : 0;
}

static void drain(const struct tap *t)
{
	static char frame[TAP_MTU + 64];

	for (int i = 0; i < TAP_QUEUES; i++)
		while (read(t->queues[i], frame, sizeof(frame)) > 0)
			;
}

static void frame_send(const struct tap *t, int sender, const void *frame, size_t len)
{
	struct virtio_net_hdr header = { .hdr_len = TAP_LINEAR };
	struct iovec parts[] = { { &header, sizeof(header) }, { (void *)frame, len } };
	bool paged = sender == t->paged_sender;

	need(writev(sender, parts + !paged, 1 + paged) > 0, "send");
}

int tap_queue(const struct tap *t, int sender, const void *frame, size_t len)
{
	struct pollfd fds[TAP_QUEUES];

	drain(t);
	frame_send(t, sender, frame, len);
	for (int i = 0; i < TAP_QUEUES; i++)
		fds[i] = (struct pollfd){ .fd = t->queues[i], .events = POLLIN };
	if (poll(fds, TAP_QUEUES, 1000) != 1)
		return -1;
	for (int i = 0; i < TAP_QUEUES; i++)
		if (fds[i].revents)
			return i;
	return -1;
}
