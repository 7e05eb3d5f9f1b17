/* SPDX-License-Identifier: MIT */
/* One virsh for one command; what it prints is collected, both streams at once. */
#include "client/cli/qemu/virsh.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "client/cli/util/mem.h"
#include "proto/util/deadline.h"
#include "proto/util/fd.h"

enum { OUTPUT_MAX = 1 << 20 }; /* of a stream; request-ebpf's reply has 27 KiB */

/* What the child writes to one of its streams. */
struct stream {
	int fd; /* our end; -1: closed by the child */
	char *text;
	size_t len;
};

struct child {
	pid_t pid;
	struct stream out, err;
};

extern char **environ;

static int spawn(struct child *child, char *const argv[], int fd, int out, int err)
{
	posix_spawn_file_actions_t actions;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	if (!(r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY,
						   0)) &&
	    !(r = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO)) &&
	    !(r = posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO)) &&
	    /*
	     * dup2() of an fd onto itself lets the child inherit it, under the number that argv
	     * names.
	     */
	    (fd < 0 || !(r = posix_spawn_file_actions_adddup2(&actions, fd, fd))))
		r = posix_spawnp(&child->pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* A pipe to read from; *ret_theirs is the child's end. */
static int stream_open(struct stream *s, int *ret_theirs)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	s->fd = ends[0];
	*ret_theirs = ends[1];
	s->text = mem_new(1, 1);
	return 0;
}

static int child_start(struct child *child, char *const argv[], int fd)
{
	_cleanup_fd_ int out = -1, err = -1;
	int r = stream_open(&child->out, &out);

	if (!r)
		r = stream_open(&child->err, &err);
	return r ? r : spawn(child, argv, fd, out, err);
}

static int stream_read(struct stream *s)
{
	char buf[16384];
	ssize_t n = read(s->fd, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0) {
		fd_closep(&s->fd);
		return 0;
	}
	if (s->len + (size_t)n > OUTPUT_MAX)
		return -EFBIG;
	s->text = mem_must(realloc(s->text, s->len + (size_t)n + 1));
	memcpy(s->text + s->len, buf, (size_t)n);
	s->len += (size_t)n;
	s->text[s->len] = '\0';
	return 0;
}

/* Until the child has closed both streams. */
static int child_read(struct child *child, int64_t deadline)
{
	while (child->out.fd >= 0 || child->err.fd >= 0) {
		struct pollfd p[] = { { .fd = child->out.fd, .events = POLLIN },
				      { .fd = child->err.fd, .events = POLLIN } };
		int r = poll(p, 2, deadline_left_ms(deadline));

		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r < 0)
			continue;
		if (p[0].revents && (r = stream_read(&child->out)))
			return r;
		if (p[1].revents && (r = stream_read(&child->err)))
			return r;
	}
	return 0;
}

/* True if it ended by itself and well. */
static bool child_end(struct child *child, bool kill_it)
{
	int status = -1;

	if (child->pid <= 0)
		return false;
	if (kill_it)
		kill(child->pid, SIGKILL);
	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The first line of what virsh complains of, without its "error: ".  To be freed. */
static char *complaint(const char *text)
{
	static const char prefix[] = "error: ";

	text += strspn(text, "\n");
	if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
		text += sizeof(prefix) - 1;
	return *text ? mem_format("%.*s", (int)strcspn(text, "\n"), text) : NULL;
}

static char *explain(int r, const struct child *child)
{
	_cleanup_free_ char *text = child->err.text && r != -ETIMEDOUT ? complaint(child->err.text)
								       : NULL;

	if (text)
		return mem_format("virsh: %s", text);
	switch (r) {
	case -ENOENT:
		return mem_format("virsh is not installed");
	case -ETIMEDOUT:
		return mem_format("virsh did not end in time");
	default:
		return mem_format("virsh: %s", strerror(-r));
	}
}

int virsh_monitor_command(const char *domain, const char *line, int fd, int timeout_ms,
			  char **ret_reply, char **ret_why)
{
	_cleanup_free_ char *pass = fd >= 0 ? mem_format("--pass-fds=%d", fd) : NULL;
	const char *argv[] = { "virsh",	   "--quiet", "qemu-monitor-command",
			       "--domain", domain,    "--cmd",
			       line,	   pass,      NULL };
	struct child child = { .pid = -1, .out.fd = -1, .err.fd = -1 };
	int r = child_start(&child, (char *const *)argv, fd);

	if (!r)
		r = child_read(&child, deadline_in(timeout_ms));
	if (!child_end(&child, r != 0) && !r)
		r = -EREMOTEIO;
	if (r)
		*ret_why = explain(r, &child);
	else
		*ret_reply = child.out.text;
	fd_closep(&child.out.fd);
	fd_closep(&child.err.fd);
	free(child.err.text);
	if (r)
		free(child.out.text);
	return r;
}
