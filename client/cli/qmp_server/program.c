/* SPDX-License-Identifier: MIT */
/* Fetches a program's bytes from the broker through librssb, and does not look into them. */
#include "client/cli/qmp_server/program.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/util/base64.h"
#include "client/cli/util/file.h"
#include "client/cli/util/mem.h"
#include "client/include/rssb.h"
#include "proto/deadline.h"
#include "proto/fd.h"

enum {
	ANSWER_MS = 1000, /* how long a client waits for a broker that is silent */
	BUSY_MS = 10000,  /* and for one that serves this account later */
	FRESH_MS = 1000,  /* what is kept is used again for so long */
};

const struct qmp_program qmp_programs[] = {
	{ "rss", NULL },
	{ NULL, NULL },
};

struct qmp_source {
	const char *path;
	const struct qmp_program *kept; /* what text is of */
	char *text;
	int64_t fresh_until;
	char why[256];
};

const struct qmp_program *qmp_program_find(const char *id)
{
	for (const struct qmp_program *p = qmp_programs; p->id; p++)
		if (strcmp(p->id, id) == 0)
			return p;
	return NULL;
}

struct qmp_source *qmp_source_new(const char *path)
{
	struct qmp_source *s = mem_new(1, sizeof(*s));

	s->path = path;
	return s;
}

struct qmp_source *qmp_source_free(struct qmp_source *s)
{
	if (!s)
		return NULL;
	free(s->text);
	free(s);
	return NULL;
}

/*
 * Each export has a connection of its own: the broker allows an account few connections, and
 * all clients of this server share one account.
 */
static int export_once(struct qmp_source *s, const struct qmp_program *program, int *ret_fd,
		       uint32_t *ret_retry_ms)
{
	struct rssb *c = NULL;
	int err = rssb_connect(&c, s->path);

	if (!err) {
		rssb_set_timeout(c, ANSWER_MS);
		err = rssb_export(c, program->object_id, ret_fd, NULL);
	}
	if (err)
		snprintf(s->why, sizeof(s->why), "rss-broker: %s",
			 c ? rssb_reason(c) : strerror(-err));
	*ret_retry_ms = c ? rssb_retry_ms(c) : 0;
	rssb_close(c);
	return err;
}

static int export_wait(struct qmp_source *s, const struct qmp_program *program, int *ret_fd)
{
	const int64_t deadline = deadline_in(BUSY_MS);
	uint32_t retry_ms;
	int err;

	while ((err = export_once(s, program, ret_fd, &retry_ms)) &&
	       (err == -EAGAIN || err == -EDQUOT) && deadline_left_ms(deadline) > 0)
		poll(NULL, 0, retry_ms ? (int)retry_ms : ANSWER_MS / 10);
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

static void source_keep(struct qmp_source *s, const struct qmp_program *program, char *text)
{
	free(s->text);
	s->text = text;
	s->kept = program;
}

char *qmp_source_get(struct qmp_source *s, const struct qmp_program *program, const char **ret_why)
{
	_cleanup_fd_ int fd = -1;

	*ret_why = s->why;
	if (s->kept != program || deadline_left_ms(s->fresh_until) <= 0) {
		source_keep(s, NULL, NULL);
		if (export_wait(s, program, &fd))
			return NULL;
		source_keep(s, program, base64_of(fd));
		s->fresh_until = deadline_in(FRESH_MS);
	}
	if (s->text)
		return mem_must(strdup(s->text));
	snprintf(s->why, sizeof(s->why), "what rss-broker sent cannot be read");
	return NULL;
}
