/* SPDX-License-Identifier: MIT */
/* Asks the broker.  It must never wait past its deadline, or keep a connection. */
#include "client/preload/obtain.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/lib/connection.h"
#include "client/preload/say.h"
#include "client/preload/settings.h"
#include "proto/util/connect_advice.h"
#include "proto/util/deadline.h"
#include "proto/util/fd.h"

enum { RETRY_MS = 50, FORGIVE_MS = 10000, IMPATIENT_MS = 100 };

/* Until then a broker has IMPATIENT_MS and no second chance: QEMU has just waited in vain. */
static _Atomic int64_t impatient_until;

/* --- connecting ----------------------------------------------------------------- */

static bool dir_is_ours(void)
{
	const struct preload_settings *s = &preload_settings;
	struct stat st;

	return s->dir >= 0 && fstat(s->dir, &st) == 0 && st.st_dev == s->dir_dev &&
	       st.st_ino == s->dir_ino;
}

static bool is_in_chroot(void)
{
	const struct preload_settings *s = &preload_settings;
	struct stat st;

	return stat("/", &st) == 0 && (st.st_dev != s->root_dev || st.st_ino != s->root_ino);
}

/*
 * connect(2) knows no directory but the working one.  All of QEMU's threads share that;
 * in a chroot it is "/", and nobody uses it.
 */
static int connect_in_dir(struct rssb *c)
{
	_cleanup_fd_ int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *slash = strrchr(preload_settings.path, '/');
	int r;

	if (before < 0 || fchdir(preload_settings.dir))
		return -errno;
	r = connection_open(c, slash ? slash + 1 : preload_settings.path);
	return fchdir(before) ? -errno : r;
}

static int broker_connect(struct rssb *c)
{
	int r = connection_open(c, preload_settings.path);

	if (r == -ENOENT && dir_is_ours() && is_in_chroot())
		r = connect_in_dir(c);
	return r;
}

/* --- asking ----------------------------------------------------------------------- */

/* Is this how a broker fails that is busy, or being restarted? */
static bool passes(int r, bool connected)
{
	if (r == -ENOENT || r == -ECONNREFUSED)
		return !connected;
	return r == -EAGAIN || r == -EDQUOT || r == -ECONNRESET;
}

/*
 * QEMU maps what it gets: a file that gets shorter would end it at a command of its guest.
 * An older kernel does not tell what an fd is.
 */
static int set_check(struct rssb *c, struct rssb_fds *fds)
{
	if (rssb_fds_verify(fds) != -EINVAL)
		return 0;
	rssb_fds_close(fds);
	return connection_fail(c, -EPROTO,
			       "the broker sent fds that are not a program and its maps");
}

static int ask_once(struct rssb *c, int64_t deadline, bool *ret_connected, struct rssb_fds *ret)
{
	const struct rssb_acquire_options options = {
		.size = sizeof(options),
		.kind = RSSB_HANDOFF,
		.flags = preload_settings.stats ? RSSB_GRANT_STATS : 0u,
	};
	struct rssb_grant grant;
	int r;

	c->timeout_ms = deadline_left_ms(deadline);
	r = broker_connect(c);
	*ret_connected = r == 0;
	if (r)
		return r;
	c->timeout_ms = deadline_left_ms(deadline);
	r = rssb_acquire(c, &options, ret, &grant);
	fd_closep(&c->sock);
	if (!r)
		r = set_check(c, ret);
	if (!r && (preload_settings.stats || preload_settings.verbose))
		preload_say("grant %" PRIu64, grant.id);
	return r;
}

static void pause_ms(int64_t ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

int obtain_set(struct rssb_fds *ret)
{
	bool patient = deadline_now_ms() >= atomic_load(&impatient_until), connected;
	int64_t deadline = deadline_in(patient ? preload_settings.wait_ms : IMPATIENT_MS);
	struct rssb c = { .sock = -1 };
	int r;

	while ((r = ask_once(&c, deadline, &connected, ret)) && passes(r, connected)) {
		int64_t ms = c.retry_ms ? c.retry_ms : RETRY_MS;

		if (!patient || ms >= deadline_left_ms(deadline))
			break;
		pause_ms(ms);
	}
	if (r) {
		preload_say("%s%s; QEMU goes on without a steering set", rssb_reason(&c),
			    connected ? "" : connect_advice(r));
		atomic_store(&impatient_until, deadline_in(FORGIVE_MS));
	}
	return r;
}
