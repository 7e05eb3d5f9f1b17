/* SPDX-License-Identifier: MIT */
/*
 * The trial of an object.  The parent must never use what the child left without
 * having judged it: the child read a file that may be damaged on purpose.
 */
#include "broker/loader/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/common/log.h"
#include "proto/packet.h"
#include "proto/util/fd.h"

#define LINE	     (STDERR_FILENO + 1) /* the child's end of the line to the parent */
#define CPU_MAX_S    5			 /* QEMU's own object takes a tenth of a second */
#define MEMORY_MAX_B (256ul << 20)
#define ERRNO_MAX    4095
#define ATTEMPTS     20 /* of libbpf's five each: EAGAIN says that the child was stopped */
#define CPU_IN_ALL_S 10 /* after which there is no further attempt */

/*
 * What libbpf and libelf need: #syscalls:trial bpf mmap munmap mremap brk fcntl uname getpid
 * Since libbpf 1.4 each map has an fd before it is made: #syscalls:trial memfd_create dup3
 * Nothing that waits: CPU_MAX_S would not end that.
 */

/* --- the child --------------------------------------------------------------- */

static void limits_set(void)
{
	object_check_limit_cpu(CPU_MAX_S);
#ifndef RSSB_SANITIZED /* whose shadow memory is larger */
	const struct rlimit memory = { MEMORY_MAX_B, MEMORY_MAX_B };

	setrlimit(RLIMIT_AS, &memory);
#endif
}

/* What the child or the C library writes to stderr is dropped: why says it. */
static int stderr_close(void)
{
	_cleanup_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	return null < 0 || dup2(null, STDERR_FILENO) < 0 ? -errno : 0;
}

static int child_confine(int sock, pid_t parent, const struct trial_options *o)
{
	int err;

	if ((err = stderr_close()) || (err = privileges_drop(o->id, o->caps)) ||
	    (err = privileges_end_with_parent(parent)))
		return err;
	limits_set();
	if (dup2(sock, LINE) < 0 || close_range(LINE + 1, ~0U, 0))
		return -errno;
	return seccomp_start(PROCESS_TRIAL);
}

static void child_run(struct trial *t, int sock, pid_t parent, const char *name, const void *elf,
		      size_t size, const struct trial_options *o)
{
	static const char answered = 1;
	struct template made = TEMPLATE_INIT;

	prctl(PR_SET_NAME, "rss-trial", 0, 0, 0);
	t->err = child_confine(sock, parent, o);
	if (t->err) {
		snprintf(t->why, sizeof(t->why), "the process that tries it cannot be started: %s",
			 strerrordesc_np(-t->err));
	} else {
		sock = LINE;
		made.insns = t->insns;
		made.scratch = t->scratch;
		t->err =
			template_load(&made, name, elf, size, o->n_blocks, TRIAL_INSNS_MAX, t->why);
		t->template = made;
	}
	_exit(packet_send(sock, &answered, sizeof(answered), &made.btf_fd, made.btf_fd >= 0)
		      ? EXIT_FAILURE
		      : EXIT_SUCCESS);
}

/* --- the parent ---------------------------------------------------------------- */

bool trial_is_sound(const struct trial *trial)
{
	const struct template *t = &trial->template;
	const struct object_check *check = &t->check;

	if ((check->n_maps != OBJECT_CHECK_MAPS_MAX &&
	     check->n_maps != OBJECT_CHECK_MAPS_MAX - 1) ||
	    check->counts != (check->n_maps == OBJECT_CHECK_MAPS_MAX) ||
	    !memchr(check->license, '\0', sizeof(check->license)) || t->n_insns < 1 ||
	    t->n_insns > TRIAL_INSNS_MAX || t->n_funcs > TEMPLATE_FUNCS_MAX)
		return false;
	return template_insns_are_sound(trial->insns, t->n_insns, check->n_maps);
}

static void template_adopt(struct template *ret, struct trial *trial, unsigned n_blocks,
			   int *btf_fd)
{
	*ret = trial->template;
	ret->n_blocks = n_blocks;
	ret->insns = trial->insns;
	ret->scratch = trial->scratch;
	ret->memory = trial;
	ret->memory_size = sizeof(*trial);
	ret->btf_fd = fd_take(btf_fd);
}

/*
 * Waits for the child's answer and its end.  Whether it answered; *ret_btf: its one fd, or -1.
 * Closes *sock: a child that goes on sending would wait for room in it.
 */
static bool answer_wait(int *sock, pid_t pid, int *ret_btf, int *ret_status)
{
	struct packet p;
	bool answered = !packet_recv(*sock, &p) && p.len == 1 && p.n_fds <= 1;

	*ret_btf = answered && p.n_fds ? fd_take(&p.fds[0]) : -1;
	packet_done(&p);
	fd_closep(sock);
	while (waitpid(pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return false;
	return answered;
}

/* *sock: the parent's end of the line to it. */
static int child_start(struct trial *t, const char *name, const void *elf, size_t size,
		       const struct trial_options *o, int *ret_sock, pid_t *ret_pid)
{
	_cleanup_fd_ int ours = -1, its = -1;
	const pid_t parent = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	ours = pair[0];
	its = pair[1];
	*ret_pid = fork();
	if (*ret_pid < 0)
		return -errno;
	if (!*ret_pid)
		child_run(t, its, parent, name, elf, size, o);
	*ret_sock = fd_take(&ours);
	return 0;
}

static int trial_judge(struct trial *t, bool answered, int status, char *why)
{
	if (!answered || !WIFEXITED(status) || WEXITSTATUS(status)) {
		object_check_explain_end(why, status, CPU_MAX_S);
		return -EINVAL;
	}
	if (t->err < 0 && t->err >= -ERRNO_MAX) {
		t->why[sizeof(t->why) - 1] = '\0';
		snprintf(why, OBJECT_CHECK_WHY_MAX, "%s", t->why);
		object_check_sanitize(why);
		if (!why[0])
			snprintf(why, OBJECT_CHECK_WHY_MAX, "%s",
				 strerrordesc_np(-t->err) ?: "unknown error");
		return t->err;
	}
	if (t->err || !trial_is_sound(t)) {
		snprintf(why, OBJECT_CHECK_WHY_MAX,
			 "the process that tried it left a damaged result");
		return -EINVAL;
	}
	return 0;
}

static int trial_run_once(struct template *ret, const char *name, const void *elf, size_t size,
			  const struct trial_options *o, char why[OBJECT_CHECK_WHY_MAX])
{
	struct trial *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	_cleanup_fd_ int sock = -1, btf_fd = -1;
	int err = t == MAP_FAILED ? -errno : 0, status = 0;
	pid_t pid = -1;

	if (!err)
		err = child_start(t, name, elf, size, o, &sock, &pid);
	if (err) {
		snprintf(why, OBJECT_CHECK_WHY_MAX,
			 "the process that tries it cannot be started: %s", strerrordesc_np(-err));
	} else {
		bool answered = answer_wait(&sock, pid, &btf_fd, &status);

		err = trial_judge(t, answered, status, why);
	}
	if (!err)
		template_adopt(ret, t, o->n_blocks, &btf_fd);
	else if (t != MAP_FAILED)
		munmap(t, sizeof(*t));
	return err;
}

/* What the children that have ended had of the CPU. */
static time_t children_cpu_s(void)
{
	struct rusage used = { 0 };

	getrusage(RUSAGE_CHILDREN, &used);
	return used.ru_utime.tv_sec + used.ru_stime.tv_sec;
}

int trial_run(struct template *ret, const char *name, const void *elf, size_t size,
	      const struct trial_options *o, char why[OBJECT_CHECK_WHY_MAX])
{
	const time_t enough = children_cpu_s() + CPU_IN_ALL_S;
	int err = -EAGAIN;

	for (unsigned i = 0; i < ATTEMPTS && err == -EAGAIN && children_cpu_s() < enough; i++)
		err = trial_run_once(ret, name, elf, size, o, why);
	return err;
}
