/* SPDX-License-Identifier: MIT */
/* What a process may still do that reads an object.  Must never let it reach another fd or process.
 */
#include "bpf/object_confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/util/audit_arch.h"

#define ALLOW(name)                                                                                \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1),                                     \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/*
 * Memory, the answer, and an end; since libbpf 1.4 each map has a placeholder fd (a memfd).
 * Other calls fail: libbpf looks for a file or two that it does without.
 */
static struct sock_filter filter[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_HERE, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	ALLOW(brk),
	ALLOW(mmap),
	ALLOW(munmap),
	ALLOW(mremap),
	ALLOW(mprotect),
	ALLOW(madvise),
	ALLOW(futex),
	ALLOW(memfd_create),
	ALLOW(dup3),
	ALLOW(fcntl),
	ALLOW(close),
	ALLOW(write),
	ALLOW(uname),
	ALLOW(getrandom),
	/* abort(3) */
	ALLOW(rt_sigprocmask),
	ALLOW(rt_sigaction),
	ALLOW(getpid),
	ALLOW(gettid),
	ALLOW(exit_group),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
};

/* fds 0 to 2 become /dev/null, fd is 3, and what is behind it is closed. */
static int fds_keep_one(int fd)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int kept;

	if (null < 0)
		return -errno;
	kept = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (kept < 0)
		return -errno;
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		if (dup2(null, i) < 0)
			return -errno;
	if (kept > STDERR_FILENO + 1 && dup3(kept, STDERR_FILENO + 1, O_CLOEXEC) < 0)
		return -errno;
	return syscall(SYS_close_range, STDERR_FILENO + 2, ~0U, 0) ? -errno : STDERR_FILENO + 1;
}

int object_confine(int fd)
{
	const struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };
	int kept = fds_keep_one(fd);

	if (kept < 0)
		return kept;
	/* Emulators of single processes know no filters. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) && errno != EINVAL))
		return -errno;
	return kept;
}
