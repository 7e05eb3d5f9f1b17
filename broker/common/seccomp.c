/* SPDX-License-Identifier: MIT */
/*
 * The seccomp filters.  The lists come from the "#syscalls" comments beside the
 * calls (broker/common/syscalls.sh collects them); only argument limits stand here.
 */
#include "broker/common/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker/common/log.h"
#include "broker/common/syscalls.h"
#include "proto/util/audit_arch.h"
#include "proto/util/refuse_fds.h"

#define X32_FIRST 0x40000000u /* of amd64's second table of calls */

/* A call that is allowed if one of its arguments passes a test. */
struct seal_rule {
	int nr; /* -1: the end of a list */
	unsigned arg;
	enum {
		ARG_IS,	     /* the argument is value */
		ARG_LACKS,   /* it has no bit of value */
		ARG_HAS_ANY, /* its lower half has a bit of value */
	} test;
	uint64_t value;
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
	{ SYS_bpf, 0, ARG_IS, BPF_MAP_CREATE },
	{ SYS_bpf, 0, ARG_IS, BPF_PROG_LOAD },
	{ -1 },
};

/*
 * No page that can be executed: PROT_EXEC must be clear.  ioctl(2) could type into
 * the terminal of who started us (TIOCSTI), setsockopt(2) load classic BPF, and
 * fcntl(2) send signals: an export is sealed with it, a lease made small.
 *
 * sendmsg(2) can name whom it sends to, so the line to the service manager (WATCHDOG_FD) must
 * not be in reach of it: fds 0 and 1 are not.  The kernel looks at the lower half of that
 * argument alone, in which 1 << 32 is fd 0, too.
 */
static const struct seal_rule front_rules[] = {
	{ SYS_mmap, 2, ARG_LACKS, PROT_EXEC }, /* a map, never code */
	{ SYS_ioctl, 1, ARG_IS, SIOCOUTQ },
	{ SYS_fcntl, 1, ARG_IS, F_ADD_SEALS },
	{ SYS_fcntl, 1, ARG_IS, F_SETPIPE_SZ },
	{ SYS_setsockopt, 2, ARG_IS, SO_PASSRIGHTS },
	{ SYS_setsockopt, 2, ARG_IS, SO_PASSCRED },
	{ SYS_sendmsg, 0, ARG_HAS_ANY, ~1u }, /* neither fd 0 nor fd 1 */
	{ -1 },
};

/* What libbpf asks for, to check and load an object: also of another version than was tried. */
static const struct seal_rule trial_rules[] = {
	{ SYS_bpf, 0, ARG_IS, BPF_MAP_CREATE },
	{ SYS_bpf, 0, ARG_IS, BPF_PROG_LOAD },
	{ SYS_bpf, 0, ARG_IS, BPF_BTF_LOAD },
	{ SYS_bpf, 0, ARG_IS, BPF_OBJ_GET_INFO_BY_FD },
	{ SYS_mmap, 2, ARG_LACKS, PROT_EXEC },
	{ SYS_fcntl, 1, ARG_IS, F_DUPFD_CLOEXEC },
	{ -1 },
};

/* A child process that shares nothing: no thread, no other namespace. */
#define CLONE_FLAGS_OF_FORK ((uint64_t)CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD)

static const struct seal_rule closer_rules[] = {
	{ SYS_clone, 0, ARG_LACKS, ~CLONE_FLAGS_OF_FORK },
	{ -1 },
};

/* --- the filter's program ---------------------------------------------------------- */

#define INSNS_MAX 256

/* Whether all of it has room is known at the end. */
struct program {
	struct sock_filter insns[INSNS_MAX];
	unsigned n;
};

static void emit(struct program *p, struct sock_filter insn)
{
	if (p->n < INSNS_MAX)
		p->insns[p->n] = insn;
	p->n++;
}

static void emit_load(struct program *p, size_t offset)
{
	emit(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

/* Goes on behind so many instructions if the word that was loaded is not value. */
static void emit_unless(struct program *p, uint32_t value, uint8_t skip)
{
	emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip));
}

static void emit_return(struct program *p, uint32_t action)
{
	emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* What is made by another table of calls is none of ours. */
static void emit_begin(struct program *p)
{
	emit_load(p, offsetof(struct seccomp_data, arch));
	emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_HERE, 1, 0));
	emit_return(p, SECCOMP_RET_KILL_PROCESS);
	emit_load(p, offsetof(struct seccomp_data, nr));
	emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_FIRST, 0, 1));
	emit_return(p, SECCOMP_RET_KILL_PROCESS);
}

static void emit_rule(struct program *p, const struct seal_rule *rule)
{
	const size_t low = offsetof(struct seccomp_data, args) + rule->arg * sizeof(uint64_t);
	const uint64_t mask = rule->test == ARG_IS ? ~(uint64_t)0 : rule->value;
	const uint64_t want = rule->test == ARG_IS ? rule->value : 0;

	emit_load(p, offsetof(struct seccomp_data, nr));
	if (rule->test == ARG_HAS_ANY) {
		emit_unless(p, (uint32_t)rule->nr, 3);
		emit_load(p, low);
		emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (uint32_t)mask, 0,
						     1));
	} else {
		emit_unless(p, (uint32_t)rule->nr, 7);
		emit_load(p, low);
		emit(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (uint32_t)mask));
		emit_unless(p, (uint32_t)want, 4);
		emit_load(p, low + sizeof(uint32_t));
		emit(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K,
						     (uint32_t)(mask >> 32)));
		emit_unless(p, (uint32_t)(want >> 32), 1);
	}
	emit_return(p, SECCOMP_RET_ALLOW);
}

static bool rule_exists(const struct seal_rule *rules, int nr)
{
	for (; rules->nr >= 0; rules++) {
		if (rules->nr == nr)
			return true;
	}
	return false;
}

static void emit_calls(struct program *p, const int *numbers, const struct seal_rule *rules)
{
	for (; *numbers >= 0; numbers++) {
		if (rule_exists(rules, *numbers))
			continue;
		emit_unless(p, (uint32_t)*numbers, 1);
		emit_return(p, SECCOMP_RET_ALLOW);
	}
}

/*
 * libbpf looks for much that it does without: a file of the kernel's types, a larger limit.
 * So what is not allowed fails in a trial, which ends anyway.
 */
static const struct seal {
	const int *numbers;
	const struct seal_rule *rules;
	uint32_t otherwise;
} seals[] = {
	[PROCESS_FRONT] = { syscalls_front, front_rules, SECCOMP_RET_KILL_PROCESS },
	[PROCESS_LOADER] = { syscalls_loader, loader_rules, SECCOMP_RET_KILL_PROCESS },
	[PROCESS_CLOSER] = { syscalls_closer, closer_rules, SECCOMP_RET_KILL_PROCESS },
	[PROCESS_TRIAL] = { syscalls_trial, trial_rules, SECCOMP_RET_ERRNO | EPERM },
};

/* Without malloc(3): who has no memory gets no other filter than usual, and waits for none. */
int seccomp_start(enum broker_process process)
{
	static const struct seal_rule none[] = { { -1 } };
	const struct seal *seal = &seals[process];
	struct program p = { .n = 0 };
	struct sock_fprog load = { .filter = p.insns };

	emit_begin(&p);
	emit_calls(&p, seal->numbers, seal->rules);
	emit_calls(&p, syscalls_sanitizer, none);
	for (const struct seal_rule *rule = seal->rules; rule->nr >= 0; rule++)
		emit_rule(&p, rule);
	emit_return(&p, seal->otherwise);
	if (p.n > INSNS_MAX)
		return log_error(-E2BIG, "the seccomp filter has %u instructions", p.n);
	load.len = (unsigned short)p.n;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &load))
		return log_error(-errno, "cannot load the seccomp filter");
	return 0;
}
