/* SPDX-License-Identifier: MIT */
/* How each process gives up what it does not need.  Must never add a privilege. */
#include "broker/common/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/common/log.h"
#include "proto/util/fd.h"

static const int caps_of[][3] = {
	[PRIVILEGES_CAPS_NONE] = { -1 },
	[PRIVILEGES_CAPS_BPF] = { CAP_BPF, -1 },
	[PRIVILEGES_CAPS_BPF_PERFMON] = { CAP_BPF, CAP_PERFMON, -1 },
};

/* Every fd of a grant, a session and the pool is open at once. */
static void raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/*
 * An inherited mask or disposition could keep a signal from this process or from the closer, whose
 * timer needs SIGALRM. Neither a log that nobody reads (SIGPIPE) nor a limit of file sizes
 * (SIGXFSZ) must end the broker: write(2) fails then.
 */
static void reset_signals(void)
{
	sigset_t none;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * A closed stderr would become the next socket, and the log would go into that.  What stdin and
 * stdout are (a terminal, somebody's socket) no process here has a use for.
 */
static int replace_stdio(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC); /* the first that was closed, if any */

	if (null < 0)
		return log_error(-errno, "cannot open /dev/null");
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		bool keep = fd == STDERR_FILENO && fcntl(fd, F_GETFD) >= 0;

		if (!keep && null != fd && dup2(null, fd) < 0)
			return log_error(-errno, "cannot replace fd %d", fd);
	}
	if (null > STDERR_FILENO)
		fd_closep(&null);
	return 0;
}

int privileges_begin(int n_keep)
{
	const struct rlimit none = { 0, 0 };

	reset_signals();
	if (replace_stdio())
		return -EBADF;
	if (close_range(STDERR_FILENO + 1 + (unsigned)n_keep, ~0U, 0))
		return log_error(-errno, "cannot close inherited fds");
	if (clearenv())
		return log_error(-ENOMEM, "cannot clear the environment");
	if (setrlimit(RLIMIT_CORE, &none))
		return log_error(-errno, "cannot turn off core dumps");
	raise_nofile();
	umask(0);
	return 0;
}

static int fd_compare(const void *left, const void *right)
{
	return *(const int *)left - *(const int *)right;
}

int privileges_keep_fds(int fds[], size_t n)
{
	unsigned first = STDERR_FILENO + 1;
	int err = 0;

	qsort(fds, n, sizeof(fds[0]), fd_compare);
	for (size_t i = 0; i < n && !err; i++) {
		if ((unsigned)fds[i] > first)
			err = close_range(first, (unsigned)fds[i] - 1, 0);
		first = (unsigned)fds[i] + 1;
	}
	if (err || close_range(first, ~0U, 0))
		return log_error(-errno, "cannot close inherited fds");
	return 0;
}

int privileges_end_with_parent(pid_t parent)
{
	/* A change of ids or capabilities has undone it: so it comes behind that. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return log_error(-errno, "cannot set the signal for the end of the parent process");
	return getppid() == parent ? 0 : -ECHILD;
}

static int missing(int cap)
{
	if (cap == CAP_BPF)
		log_line(LOG_ERR,
			 "CAP_BPF is missing: start rss-broker as root, by its systemd unit, "
			 "or with CAP_BPF as an ambient capability");
	else
		log_line(LOG_ERR,
			 "CAP_PERFMON is missing: start rss-broker with CAP_PERFMON, too, or "
			 "with --no-perfmon, which makes packets cost more");
	return -EPERM;
}

int privileges_has(enum privileges_caps caps)
{
	if (capng_get_caps_process())
		return log_error(-EPERM, "cannot read the capabilities of this process");
	for (const int *cap = caps_of[caps]; *cap >= 0; cap++) {
		if (!capng_have_capability(CAPNG_EFFECTIVE, *cap))
			return missing(*cap);
	}
	return 0;
}

bool privileges_may_change_id(void)
{
	return !capng_get_caps_process() && capng_have_capability(CAPNG_EFFECTIVE, CAP_SETUID) &&
	       capng_have_capability(CAPNG_EFFECTIVE, CAP_SETGID);
}

static bool caps_contain(const int *caps, unsigned cap)
{
	for (; *caps >= 0; caps++) {
		if ((unsigned)*caps == cap)
			return true;
	}
	return false;
}

/* Reads the sets back; -EPERM if any of them holds more or less than it should. */
static int caps_verify(const int *caps, bool bounding_empty)
{
	if (capng_get_caps_process())
		return -EPERM;
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++) {
		int want = caps_contain(caps, cap);

		if (capng_have_capability(CAPNG_EFFECTIVE, cap) != want ||
		    capng_have_capability(CAPNG_PERMITTED, cap) != want ||
		    capng_have_capability(CAPNG_INHERITABLE, cap) ||
		    capng_have_capability(CAPNG_AMBIENT, cap) ||
		    (bounding_empty && capng_have_capability(CAPNG_BOUNDING_SET, cap)))
			return -EPERM;
	}
	return 0;
}

static int caps_apply(const struct identity *id, bool bounding)
{
	int select = CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT;

	if (id->change)
		return capng_change_id((int)id->uid, (int)id->gid,
				       CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_AMBIENT |
					       (bounding ? CAPNG_CLEAR_BOUNDING : 0));
	return capng_apply(select | (bounding ? CAPNG_SELECT_BOUNDS : 0));
}

static int ids_verify(const struct identity *id)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (!id->change)
		return 0;
	if (getresuid(&r, &e, &s) || getresgid(&rg, &eg, &sg))
		return -errno;
	return r == id->uid && e == id->uid && s == id->uid && rg == id->gid && eg == id->gid &&
			       sg == id->gid
		       ? 0
		       : -EPERM;
}

int privileges_drop(const struct identity *id, enum privileges_caps caps)
{
	bool bounding;
	int err;

	if (capng_get_caps_process())
		return log_error(-EPERM, "cannot read the capabilities of this process");
	bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(CAPNG_SELECT_ALL);
	for (const int *cap = caps_of[caps]; *cap >= 0; cap++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, *cap);
	err = caps_apply(id, bounding);
	if (err)
		return log_error(-EPERM, "cannot drop privileges (libcap-ng says %d)", err);
	if (caps_verify(caps_of[caps], bounding) || ids_verify(id))
		return log_error(
			-EPERM, "privileges were not dropped as asked: ids or capabilities differ");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return log_error(-errno, "cannot set no_new_privs or clear dumpable");
	return 0;
}
