/* SPDX-License-Identifier: MIT */
/* Programs by name, fetched from the broker through librssb.  It judges no bytes. */
#include "client/cli/qmp_server/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "client/cli/util/base64.h"
#include "client/cli/util/mem.h"
#include "client/include/rssb.h"
#include "proto/deadline.h"
#include "proto/fd.h"

enum {
	ANSWER_MS = 1000, /* meanwhile nobody is served */
	REST_MS = 1000,	  /* after a broker that did not answer */
};

const struct qmp_program qmp_programs[] = {
	{ "rss", NULL },
	{ NULL, NULL },
};

struct qmp_source {
	const char *path;
	struct rssb *c; /* NULL: not connected */
	int64_t rest_until;
	const struct qmp_program *kept; /* what text is of */
	char *text;			/* got over this connection; NULL: nothing */
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
	s->rest_until = deadline_in(0);
	return s;
}

struct qmp_source *qmp_source_free(struct qmp_source *s)
{
	if (!s)
		return NULL;
	rssb_close(s->c);
	free(s->text);
	free(s);
	return NULL;
}

static int source_fail(struct qmp_source *s, struct rssb *c, int r)
{
	snprintf(s->why, sizeof(s->why), "rss-broker: %s", c ? rssb_reason(c) : strerror(-r));
	return r;
}

static int source_connect(struct qmp_source *s)
{
	struct rssb *c = NULL;
	int r = rssb_connect(&c, s->path);

	if (r) {
		source_fail(s, c, r);
		rssb_close(c);
		return r;
	}
	rssb_set_timeout(c, ANSWER_MS);
	s->c = c;
	return 0;
}

/* One try over the connection there is, or a new one. */
static int source_try(struct qmp_source *s, const struct qmp_program *program, int *ret_fd)
{
	int r = s->c ? 0 : source_connect(s);

	if (r)
		return r;
	r = rssb_export(s->c, program->object_id, ret_fd, NULL);
	if (r) {
		source_fail(s, s->c, r);
		s->c = rssb_close(s->c);
	}
	return r;
}

static int source_export(struct qmp_source *s, const struct qmp_program *program, int *ret_fd)
{
	const bool again = s->c; /* the broker may have been restarted since */
	int r;

	if (deadline_left_ms(s->rest_until) > 0)
		return -ETIMEDOUT; /* why is still what it was */
	r = source_try(s, program, ret_fd);
	if (r && r != -ETIMEDOUT && again)
		r = source_try(s, program, ret_fd);
	if (r == -ETIMEDOUT)
		s->rest_until = deadline_in(REST_MS);
	return r;
}

static char *base64_of(int fd)
{
	struct stat st;
	void *bytes;
	char *text;

	if (fstat(fd, &st) || st.st_size <= 0)
		return NULL;
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return NULL;
	text = mem_new(BASE64_LEN((size_t)st.st_size) + 1, 1);
	base64_encode(text, bytes, (size_t)st.st_size);
	munmap(bytes, (size_t)st.st_size);
	return text;
}

/*
 * Whether what was got is what the broker would send again: its objects are the
 * same for as long as it lives.  The question is cheap, an export is on an account.
 */
static bool source_is_fresh(struct qmp_source *s, const struct qmp_program *program)
{
	struct rssb_info info;
	int r;

	if (!s->text || s->kept != program || !s->c || deadline_left_ms(s->rest_until) > 0)
		return false;
	r = rssb_info(s->c, &info);
	if (!r)
		return true;
	source_fail(s, s->c, r);
	s->c = rssb_close(s->c);
	if (r == -ETIMEDOUT)
		s->rest_until = deadline_in(REST_MS);
	return false;
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
	if (!source_is_fresh(s, program)) {
		source_keep(s, NULL, NULL);
		if (source_export(s, program, &fd))
			return NULL;
		source_keep(s, program, base64_of(fd));
	}
	if (s->text)
		return mem_must(strdup(s->text));
	snprintf(s->why, sizeof(s->why), "what rss-broker sent cannot be read");
	return NULL;
}
