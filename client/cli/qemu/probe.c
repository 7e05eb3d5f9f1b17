/* SPDX-License-Identifier: MIT */
/* Asking a QEMU binary.  The child never outlives the call. */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/qemu/mapped_files.h"
#include "client/cli/qemu/monitor.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/qemu/probe.h"
#include "client/cli/qemu/types.h"
#include "client/cli/util/mem.h"
#include "proto/util/fd.h"

enum {
	ANSWER_MS = 5000, /* for each answer; 20-50 ms is usual for all of them */
	QUIT_MS = 2000,	  /* from "quit" to its end */
};

struct child {
	pid_t pid;
	int qmp, errors; /* our ends of its stdin and stdout, and of its stderr */
};

/* In the child.  Whoever kills rssb has no QEMU left behind that waits for orders. */
static int child_become(pid_t parent, const char *binary, int qmp, int errors)
{
	const char *const argv[] = { binary, "-machine",	"none", "-nodefaults", "-display",
				     "none", "-no-user-config", "-qmp", "stdio",       NULL };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || dup2(qmp, STDIN_FILENO) < 0 ||
	    dup2(qmp, STDOUT_FILENO) < 0 || dup2(errors, STDERR_FILENO) < 0)
		return errno;
	if (getppid() != parent)
		return ESRCH;
	execvp(binary, (char *const *)argv);
	return errno;
}

/* 0, or why the child is no QEMU: it says so through a pipe that closes when it becomes one. */
static int child_spawn(struct child *child, const char *binary, int qmp, int errors)
{
	const pid_t parent = getpid();
	int result[2], err = 0;

	if (pipe2(result, O_CLOEXEC))
		return -errno;
	child->pid = fork();
	if (child->pid == 0) {
		err = child_become(parent, binary, qmp, errors);
		_exit(write(result[1], &err, sizeof(err)) < 0 ? 126 : 127);
	}
	if (child->pid < 0)
		err = errno;
	fd_closep(&result[1]);
	if (child->pid > 0 && read(result[0], &err, sizeof(err)) < 0)
		err = errno;
	fd_closep(&result[0]);
	return -err;
}

static int child_start(struct child *child, const char *binary)
{
	int sockets[2], pipes[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	child->qmp = sockets[0];
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK)) {
		r = -errno;
		fd_closep(&sockets[1]);
		return r;
	}
	child->errors = pipes[0];
	r = child_spawn(child, binary, sockets[1], pipes[1]);
	fd_closep(&sockets[1]);
	fd_closep(&pipes[1]);
	return r;
}

/* Gives it this time to end, then kills it. */
static void child_end(struct child *child, int timeout_ms)
{
	_cleanup_fd_ int pidfd = -1;
	struct pollfd p = { .events = POLLIN };

	if (child->pid > 0) {
		p.fd = pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
		if (pidfd < 0 || poll(&p, 1, timeout_ms) != 1)
			kill(child->pid, SIGKILL);
		while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	fd_closep(&child->qmp);
	fd_closep(&child->errors);
}

/* The first line that the child wrote to its stderr, to be freed; NULL: nothing. */
static char *child_complaint(const struct child *child)
{
	char text[512];
	ssize_t n = read(child->errors, text, sizeof(text) - 1);

	if (n <= 0)
		return NULL;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return mem_must(strdup(text));
}

/*
 * The true name of an alias, to be freed; NULL: no alias that is known here.  QEMU itself tells
 * them by "info qdm" alone, for which it loads every module: one that cannot be loaded ends it.
 */
static char *alias_resolve(const char *target, const char *alias)
{
	static const char *const names[][2] = {
		{ "ahci", "ich9-ahci" }, { "e1000-82540em", "e1000" }, { "lsi", "lsi53c895a" },
		{ "ac97", "AC97" },	 { "es1370", "ES1370" },
	};
	static const char *const buses[][2] = { { "s390x", "ccw" }, { "m68k", "device" } };
	const char *bus = "pci";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(alias, names[i][0]) == 0)
			return mem_format("%s", names[i][1]);
	if (strncmp(alias, "virtio-", 7) != 0)
		return NULL;
	for (size_t i = 0; i < sizeof(buses) / sizeof(buses[0]); i++)
		if (strcmp(target, buses[i][0]) == 0)
			bus = buses[i][1];
	return mem_format("%s-%s", alias, bus);
}

static int properties_list(struct monitor *monitor, const char *driver, struct json_object **ret)
{
	return monitor_execute(monitor, "device-list-properties", mem_json_pair("typename", driver),
			       -1, ret);
}

/* A driver that QEMU does not know stays unknown: QEMU will say so itself. */
static int driver_ask(struct qemu_probe *p, struct monitor *monitor, const char *driver)
{
	_cleanup_json_ struct json_object *list = NULL;
	_cleanup_free_ char *name = NULL;
	int r;

	if (json_object_object_get_ex(p->types, driver, NULL))
		return 0;
	r = properties_list(monitor, driver, &list);
	if (r == -EREMOTEIO) {
		name = alias_resolve(p->target, driver);
		r = name ? properties_list(monitor, name, &list) : r;
	}
	if (r == 0)
		mem_json_set(p->types, driver, qemu_types_of_list(list));
	return r == -EREMOTEIO ? 0 : r;
}

static int target_ask(struct qemu_probe *p, struct monitor *monitor)
{
	_cleanup_json_ struct json_object *target = NULL;
	int r = monitor_execute(monitor, "query-target", NULL, -1, &target);
	const char *arch = r ? NULL : qemu_opts_get(target, "arch");

	p->target = mem_must(strdup(arch ? arch : ""));
	return r;
}

static int child_ask(struct qemu_probe *p, struct child *child, struct json_object *drivers)
{
	struct monitor *monitor = NULL;
	int r = monitor_open_fd(&monitor, &child->qmp, ANSWER_MS);

	if (r)
		return r;
	monitor_version(monitor, &p->major, &p->minor);
	p->types = mem_must(json_object_new_object());
	r = target_ask(p, monitor);
	for (size_t i = 0; r == 0 && i < json_object_array_length(drivers); i++)
		r = driver_ask(p, monitor,
			       json_object_get_string(json_object_array_get_idx(drivers, i)));
	if (r == 0)
		r = qemu_object_ask(&p->object, monitor);
	p->files = r == 0 ? mapped_files(child->pid) : NULL;
	monitor_execute(monitor, "quit", NULL, -1, NULL);
	monitor_close(monitor);
	return r;
}

static const char *reason(int r)
{
	switch (r) {
	case -ETIMEDOUT:
		return "it does not answer over QMP";
	case -ECONNRESET:
		return "it ended without an answer: it is no qemu-system-*, or cannot start";
	case -EPROTO:
		return "it answers something else than QMP";
	case -EREMOTEIO:
		return "it refuses";
	default:
		return strerror(-r);
	}
}

int qemu_probe(struct qemu_probe *ret, const char *binary, struct json_object *drivers,
	       char **ret_why)
{
	struct qemu_probe p = { 0 };
	struct child child = { .pid = -1, .qmp = -1, .errors = -1 };
	_cleanup_free_ char *complaint = NULL;
	int r = child_start(&child, binary);

	if (r == 0)
		r = child_ask(&p, &child, drivers);
	if (r && child.errors >= 0)
		complaint = child_complaint(&child);
	child_end(&child, r ? 0 : QUIT_MS);
	if (r) {
		*ret_why = mem_format("%s cannot be asked: %s", binary,
				      complaint ? complaint : reason(r));
		qemu_probe_done(&p);
		return r;
	}
	*ret = p;
	return 0;
}

void qemu_probe_done(struct qemu_probe *p)
{
	free(p->target);
	json_object_put(p->types);
	json_object_put(p->files);
	qemu_object_done(&p->object);
	*p = (struct qemu_probe){ 0 };
}
