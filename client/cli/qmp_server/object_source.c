/* SPDX-License-Identifier: MIT */
/* Fetches the object's bytes from the broker through librssb, and does not read them. */
#include "client/cli/qmp_server/object_source.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/util/base64.h"
#include "client/cli/util/file.h"
#include "client/cli/util/mem.h"
#include "client/include/rssb.h"
#include "proto/util/deadline.h"
#include "proto/util/fd.h"

enum {
	ANSWER_MS = 1000, /* how long a client waits for a broker that is silent */
	BUSY_MS = 10000,  /* and for one that serves this account later */
	FRESH_MS = 1000,  /* an object is used again for so long */
};

/*
 * Each export has a connection of its own: the broker allows an account few connections, and
 * all clients of this server share one account.
 */
static int export_once(struct qmp_object_source *s, int *ret_fd, uint32_t *ret_retry_ms)
{
	struct rssb *c = NULL;
	int err = rssb_connect(&c, s->broker);

	if (!err) {
		rssb_set_timeout(c, ANSWER_MS);
		err = rssb_export(c, NULL, ret_fd, NULL);
	}
	if (err)
		snprintf(s->why, sizeof(s->why), "rss-broker: %s",
			 c ? rssb_reason(c) : strerror(-err));
	*ret_retry_ms = c ? rssb_retry_ms(c) : 0;
	rssb_close(c);
	return err;
}

/* A broker may say any time to come back: one behind the deadline is not waited for. */
static int export_wait(struct qmp_object_source *s, int *ret_fd)
{
	const int64_t deadline = deadline_in(BUSY_MS);
	uint32_t pause_ms;
	int err;

	while ((err = export_once(s, ret_fd, &pause_ms)) && (err == -EAGAIN || err == -EDQUOT)) {
		if (!pause_ms)
			pause_ms = ANSWER_MS / 10;
		if (pause_ms >= (uint32_t)deadline_left_ms(deadline))
			break;
		poll(NULL, 0, (int)pause_ms);
	}
	return err;
}

static char *base64_of(int fd)
{
	struct file_map elf;
	char *text;

	if (file_map(fd, &elf))
		return NULL;
	text = base64_text(elf.data, elf.len);
	file_unmap(&elf);
	return text;
}

char *qmp_object_get(struct qmp_object_source *s)
{
	_cleanup_fd_ int fd = -1;

	if (!s->text || deadline_left_ms(s->fresh_until) <= 0) {
		free(s->text);
		s->text = NULL;
		if (export_wait(s, &fd))
			return NULL;
		s->text = base64_of(fd);
		s->fresh_until = deadline_in(FRESH_MS);
	}
	if (s->text)
		return mem_must(strdup(s->text));
	snprintf(s->why, sizeof(s->why), "what rss-broker sent cannot be read");
	return NULL;
}
