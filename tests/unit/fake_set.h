/* SPDX-License-Identifier: MIT */
/*
 * Sets without a kernel's help: memfds stand for program and maps, and a socket
 * pair for the loader, whose part the test plays.
 */
#pragma once

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/rss_maps.h"
#include "broker/front/pool.h"
#include "proto/packet.h"
#include "proto/util/fd.h"

#define FAKE_CPUS 3

/* What the loader answers with; loader.c has its own. */
struct fake_answer {
	uint32_t object;
	int32_t err;
};

static inline int fake_map(size_t size)
{
	int fd = memfd_create("map", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

/* The fds of a set; counts: with counters, all zero. */
static inline struct set_fds fake_set_fds(bool counts)
{
	struct set_fds fds = { .list = { fake_map(1), fake_map(4096), fake_map(4096),
					 fake_map(4096), -1 } };

	if (counts)
		fds.stats = fake_map(FAKE_CPUS * sizeof(struct rss_stats));
	return fds;
}

/* A loader and the test's end of the line to it. */
static inline void fake_loader_open(struct loader_link *ret, int *ret_peer)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv),
			 0);
	ret->sock = sv[0];
	*ret_peer = sv[1];
}

/* How many sets of an object were asked for since; other objects fail the test. */
static inline unsigned fake_loader_asked(int peer, uint32_t object)
{
	unsigned n = 0;
	uint32_t asked;

	while (recv(peer, &asked, sizeof(asked), 0) == sizeof(asked)) {
		assert_int_equal(asked, object);
		n++;
	}
	return n;
}

/* Answers with the first n_fds of a set that counts. */
static inline void fake_loader_send(int peer, uint32_t object, int32_t err, size_t n_fds)
{
	const struct fake_answer answer = { object, err };
	struct set_fds set = fake_set_fds(true);

	assert_int_equal(set_fds_count(&set), SET_FDS_MAX);
	assert_int_equal(packet_send(peer, &answer, sizeof(answer), set.list, n_fds), 0);
	set_fds_done(&set);
}

/* Answers every request for an object. */
static inline void fake_loader_serve(int peer, uint32_t object, bool counts)
{
	for (unsigned n = fake_loader_asked(peer, object); n; n--)
		fake_loader_send(peer, object, 0, counts ? 5 : 4);
}
