/* SPDX-License-Identifier: MIT */
/*
 * The seccomp filters.  The lists come from the "#syscalls" comments beside the
 * calls (broker/common/syscalls.sh collects them); only argument limits stand here.
 */
#include "broker/common/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "broker/common/log.h"
#include "broker/common/syscalls.h"
#include "proto/passrights.h"

struct seal_rule {
	const char *name;
	struct scmp_arg_cmp arg;
};

/*
 * #syscalls exit_group close
 * Where the vDSO cannot tell the time (some guests): #syscalls clock_gettime
 */

/*
 * #syscalls:sanitizer mmap munmap mprotect madvise futex gettid getpid sigaltstack
 * #syscalls:sanitizer rt_sigaction rt_sigprocmask sched_yield openat read readlink
 * #syscalls:sanitizer getrandom brk
 */
#ifdef RSSB_SANITIZED
/* LeakSanitizer stops its own process by ptrace(2), which this one may not. */
int __lsan_is_turned_off(void) __attribute__((visibility("default")));
int __lsan_is_turned_off(void)
{
	return 1;
}
#endif

static const struct seal_rule loader_rules[] = {
	{ "bpf", SCMP_A0(SCMP_CMP_EQ, BPF_MAP_CREATE) },
	{ "bpf", SCMP_A0(SCMP_CMP_EQ, BPF_PROG_LOAD) },
	{ 0 },
};

/*
 * No page that can be executed: PROT_EXEC must be clear.  ioctl(2) could type into
 * the terminal of who started us (TIOCSTI), setsockopt(2) load classic BPF, and
 * fcntl(2) send signals: an export is sealed with it, a lease made small.
 *
 * sendmsg(2) can name whom it sends to, so the line to the service manager (WATCHDOG_FD) must
 * not be in reach of it: fds 0 and 1 are not.  The rules say "one of the bits 1 to 19 is set",
 * for the kernel looks at the lower half of that argument alone: "not equal to 0" would let
 * 1 << 32 pass, which is fd 0.
 */
#define SENDMSG_ON(bit)                                                                            \
	{                                                                                          \
		"sendmsg", SCMP_A0(SCMP_CMP_MASKED_EQ, 1u << (bit), 1u << (bit))                   \
	}
static const struct seal_rule front_rules[] = {
	{ "mmap", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) },
	{ "ioctl", SCMP_A1(SCMP_CMP_EQ, SIOCOUTQ) },
	{ "fcntl", SCMP_A1(SCMP_CMP_EQ, F_ADD_SEALS) },
	{ "fcntl", SCMP_A1(SCMP_CMP_EQ, F_SETPIPE_SZ) },
	{ "setsockopt", SCMP_A2(SCMP_CMP_EQ, SO_PASSRIGHTS) },
	{ "setsockopt", SCMP_A2(SCMP_CMP_EQ, SO_PASSCRED) },
	SENDMSG_ON(1),
	SENDMSG_ON(2),
	SENDMSG_ON(3),
	SENDMSG_ON(4),
	SENDMSG_ON(5),
	SENDMSG_ON(6),
	SENDMSG_ON(7),
	SENDMSG_ON(8),
	SENDMSG_ON(9),
	SENDMSG_ON(10),
	SENDMSG_ON(11),
	SENDMSG_ON(12),
	SENDMSG_ON(13),
	SENDMSG_ON(14),
	SENDMSG_ON(15),
	SENDMSG_ON(16),
	SENDMSG_ON(17),
	SENDMSG_ON(18),
	SENDMSG_ON(19),
	{ 0 },
};

/* What libbpf asks for, to check and load an object: also of another version than was tried. */
static const struct seal_rule trial_rules[] = {
	{ "bpf", SCMP_A0(SCMP_CMP_EQ, BPF_MAP_CREATE) },
	{ "bpf", SCMP_A0(SCMP_CMP_EQ, BPF_PROG_LOAD) },
	{ "bpf", SCMP_A0(SCMP_CMP_EQ, BPF_BTF_LOAD) },
	{ "bpf", SCMP_A0(SCMP_CMP_EQ, BPF_OBJ_GET_INFO_BY_FD) },
	{ "mmap", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) },
	{ "fcntl", SCMP_A1(SCMP_CMP_EQ, F_DUPFD_CLOEXEC) },
	{ 0 },
};

/* A child process that shares nothing: no thread, no other namespace. */
#define CLONE_FLAGS_OF_FORK ((uint64_t)CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD)

static const struct seal_rule closer_rules[] = {
	{ "clone", SCMP_A0(SCMP_CMP_MASKED_EQ, ~CLONE_FLAGS_OF_FORK, 0) },
	{ 0 },
};

static bool rule_exists(const struct seal_rule *rules, const char *name)
{
	for (; rules->name; rules++) {
		if (!strcmp(rules->name, name))
			return true;
	}
	return false;
}

/* Names that this architecture does not have resolve to a negative number. */
static int seal_add(scmp_filter_ctx ctx, const char *const *names, const struct seal_rule *rules)
{
	int err = 0;

	for (; *names && !err; names++) {
		int nr = seccomp_syscall_resolve_name(*names);

		if (nr >= 0 && !rule_exists(rules, *names))
			err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	}
	for (; rules->name && !err; rules++)
		err = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW,
					     seccomp_syscall_resolve_name(rules->name), 1,
					     &rules->arg);
	return err;
}

static int seal(const char *const *names, const struct seal_rule *rules, uint32_t otherwise)
{
	static const char *const sanitizer[] = { SYSCALLS_SANITIZER NULL };
	static const struct seal_rule none = { 0 };
	scmp_filter_ctx ctx = seccomp_init(otherwise);
	int err;

	if (!ctx)
		return log_error(-ENOMEM, "cannot make a seccomp filter");
	err = seal_add(ctx, names, rules);
	if (!err)
		err = seal_add(ctx, sanitizer, &none);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err ? log_error(err, "cannot load the seccomp filter") : 0;
}

int seccomp_front(void)
{
	static const char *const names[] = { SYSCALLS_FRONT NULL };

	return seal(names, front_rules, SCMP_ACT_KILL_PROCESS);
}

int seccomp_loader(void)
{
	static const char *const names[] = { SYSCALLS_LOADER NULL };

	return seal(names, loader_rules, SCMP_ACT_KILL_PROCESS);
}

int seccomp_closer(void)
{
	static const char *const names[] = { SYSCALLS_CLOSER NULL };

	return seal(names, closer_rules, SCMP_ACT_KILL_PROCESS);
}

/*
 * libbpf looks for much that it does without: a file of the kernel's types, a larger limit.
 * So what is not allowed fails; a trial ends anyway.
 */
int seccomp_trial(void)
{
	static const char *const names[] = { SYSCALLS_TRIAL NULL };

	return seal(names, trial_rules, SCMP_ACT_ERRNO(EPERM));
}
