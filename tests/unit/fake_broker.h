/* SPDX-License-Identifier: MIT */
/*
 * A broker for unit tests: a thread that accepts one connection, answers each
 * request as a right one would, and lets the test spoil each answer.
 */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "proto/codec.h"
#include "proto/packet.h"
#include "proto/util/fd.h"

#define FAKE_GRANT_ID 4711
#define FAKE_ELF_SIZE 3

/* What goes back to the client. */
struct answer {
	union rssb_reply_any reply; /* encoded after the spoiling */
	size_t len;		    /* if not 0: of the packet, whatever the reply's length is */
	size_t n_fds;		    /* that are really sent */
	bool nothing;		    /* send no answer; wait for the client to go */
	bool hang_up;		    /* send no answer; close */
	void (*before_send)(void);
	void (*spoil_bytes)(uint8_t *bytes);
};

struct fake_broker {
	char dir[64], path[128];
	int listener;
	pthread_t thread;
	void (*spoil)(struct answer *a); /* NULL: leave it right */
	void (*greet)(int sock);	 /* runs instead of reading requests */
	unsigned requests, refused;	 /* seen so far, and by our own validator */
	unsigned last_op;
};

static inline unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static inline void answer_acquire(struct answer *a, const struct rssb_request_acquire *request)
{
	struct rssb_reply *base = &a->reply.base;

	a->reply.acquire.grant_id = FAKE_GRANT_ID;
	base->roles[base->n_fds++] = RSSB_ROLE_PROG;
	if (request->kind == RSSB_KIND_HANDOFF)
		for (unsigned role = RSSB_ROLE_CONFIG; role <= RSSB_ROLE_TABLE; role++)
			base->roles[base->n_fds++] = (uint8_t)role;
	if (!(request->flags & RSSB_ACQUIRE_KEEP))
		base->roles[base->n_fds++] = RSSB_ROLE_LEASE;
}

static inline void answer_stats(struct rssb_reply_stats *stats)
{
	stats->grant_id = FAKE_GRANT_ID;
	stats->queues = RSSB_QUEUES_MAX;
	stats->table_len = RSSB_TABLE_MAX;
	stats->hashed[8] = 8;
	stats->fallback[3] = 3;
	stats->queue[255] = (struct rssb_count){ 255, 2550 };
	stats->entry[127] = (struct rssb_count){ 127, 1270 };
}

static inline void answer_right(struct answer *a, const union rssb_request *request)
{
	struct rssb_reply *base = &a->reply.base;

	base->header.op = request->header.op | RSSB_OP_REPLY;
	base->header.tag = request->header.tag;
	switch (request->header.op) {
	case RSSB_OP_INFO:
		strcpy(a->reply.info.version, "1.2.3");
		a->reply.info.n_objects = 2;
		break;
	case RSSB_OP_OBJECT:
		strcpy(a->reply.object.name, request->object.index ? "rss-stats" : "rss");
		a->reply.object.id[31] = (uint8_t)request->object.index;
		break;
	case RSSB_OP_ACQUIRE:
		answer_acquire(a, &request->acquire);
		break;
	case RSSB_OP_STATS:
		answer_stats(&a->reply.stats);
		break;
	case RSSB_OP_EXPORT:
		base->roles[base->n_fds++] = RSSB_ROLE_ELF;
		strcpy(a->reply.object.name, "rss");
		a->reply.object.size = FAKE_ELF_SIZE;
		break;
	}
	a->n_fds = base->n_fds;
}

static inline int elf_make(void)
{
	int fd = memfd_create("elf", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (ftruncate(fd, FAKE_ELF_SIZE) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE))
		abort();
	return fd;
}

static inline void answer_send(struct answer *a, int sock)
{
	size_t len = rssb_reply_encode(&a->reply);
	uint8_t bytes[2 * RSSB_REPLY_MAX] = { 0 };
	int fds[RSSB_FDS_MAX], unread;
	const bool is_export = a->reply.base.header.op == (RSSB_OP_REPLY | RSSB_OP_EXPORT);

	memcpy(bytes, &a->reply, len);
	if (a->spoil_bytes)
		a->spoil_bytes(bytes);
	for (size_t i = 0; i < a->n_fds; i++)
		fds[i] = is_export ? elf_make() : dup(sock);
	if (a->before_send)
		a->before_send();
	if (a->len != SIZE_MAX)
		len = a->len ? a->len : len;
	else
		len = 0;
	packet_send(sock, bytes, len, fds, a->n_fds);
	while (a->before_send && ioctl(sock, SIOCOUTQ, &unread) == 0 && unread)
		usleep(1000); /* our copies fill the slots that are not to be free */
	for (size_t i = 0; i < a->n_fds; i++)
		fd_closep(&fds[i]);
}

static inline void fake_broker_serve(struct fake_broker *b, int sock)
{
	struct packet p;

	while (packet_recv(sock, &p) == 0) {
		struct answer a = { 0 };
		union rssb_request request;
		struct rssb_refusal why;

		b->requests++;
		if (rssb_request_decode(&request, p.data, p.len, &why)) {
			b->refused++;
			return;
		}
		b->last_op = request.header.op;
		answer_right(&a, &request);
		if (b->spoil)
			b->spoil(&a);
		if (a.hang_up)
			return;
		if (!a.nothing)
			answer_send(&a, sock);
	}
}

static inline void *fake_broker_main(void *arg)
{
	struct fake_broker *b = arg;
	_cleanup_fd_ int sock = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC);

	if (b->greet)
		b->greet(sock);
	else
		fake_broker_serve(b, sock);
	return NULL;
}

/* A listening socket of this type in a directory of its own. */
static inline void fake_broker_listen(struct fake_broker *b, int type, int backlog)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	strcpy(b->dir, "/tmp/rssb-unit.XXXXXX");
	if (!mkdtemp(b->dir))
		abort();
	snprintf(b->path, sizeof(b->path), "%s/sock", b->dir);
	strcpy(addr.sun_path, b->path);
	b->listener = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (bind(b->listener, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(b->listener, backlog))
		abort();
}

static inline void fake_broker_start(struct fake_broker *b)
{
	fake_broker_listen(b, SOCK_SEQPACKET, 8);
	if (pthread_create(&b->thread, NULL, fake_broker_main, b))
		abort();
}

static inline void fake_broker_unlisten(struct fake_broker *b)
{
	fd_closep(&b->listener);
	unlink(b->path);
	rmdir(b->dir);
}

static inline void fake_broker_stop(struct fake_broker *b)
{
	pthread_join(b->thread, NULL);
	fake_broker_unlisten(b);
}
