// SPDX-License-Identifier: MIT
/*
 * Counts instructions, by executing them one at a time: exact where there is no
 * processor counter, and the neighbours do not matter.  The kernel's own are not
 * among them; its calls are counted beside.  It must never change what it counts: only the time
 *that passes.
 *
 * usage: steps PID [COMMAND...]
 *	Counts until the command has ended, or the process itself.
 *
 * Prints the number, and that of the system calls; the command's own output goes nowhere.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/fd.h"

#define PENDING_MAX 8

/* The instruction that calls the kernel, in little endian. */
#ifdef __aarch64__
#define SYSCALL	     0xd4000001
#define SYSCALL_MASK 0xffffffff
#else
#define SYSCALL	     0x050f
#define SYSCALL_MASK 0xffff
#endif

static uint64_t n_steps, n_syscalls;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t instruction_pointer(pid_t pid)
{
	struct user_regs_struct regs;
	struct iovec place = { &regs, sizeof(regs) };

	if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &place))
		die("steps: PTRACE_GETREGSET");
#ifdef __aarch64__
	return regs.pc;
#else
	return regs.rip;
#endif
}

/* A repeated string instruction traps at each turn, and is one all the same. */
static void count(pid_t pid)
{
	static uint64_t last;
	uint64_t now = instruction_pointer(pid);

	if (now == last)
		return;
	last = now;
	n_steps++;
	/* What stands there is the next one that is executed. */
	n_syscalls += (ptrace(PTRACE_PEEKTEXT, pid, now, NULL) & SYSCALL_MASK) == SYSCALL;
}

/* What a stop was for; returns the signal to go on with. */
static int judge_stop(pid_t pid, int status)
{
	int sig = WSTOPSIG(status);
	bool event = status >> 16;

	if (sig == SIGTRAP && !event)
		count(pid);
	return event || sig == SIGTRAP || sig == SIGSTOP ? 0 : sig;
}

/* 0: there is none. */
static pid_t command_start(char **argv)
{
	pid_t pid = *argv ? fork() : 0;
	int null;

	if (pid < 0)
		die("steps: fork");
	if (pid || !*argv)
		return pid;
	null = open("/dev/null", O_WRONLY);
	if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
		die("steps: /dev/null");
	execvp(argv[0], argv);
	die("steps: the command");
	return -1;
}

static bool trap_is_pending(pid_t target)
{
	struct __ptrace_peeksiginfo_args all = { .nr = PENDING_MAX };
	siginfo_t pending[PENDING_MAX];
	long n = ptrace(PTRACE_PEEKSIGINFO, target, &all, pending);

	while (n > 0)
		if (pending[--n].si_signo == SIGTRAP)
			return true;
	return false;
}

/*
 * The process goes on by one instruction, or without us.  The trap of the last step
 * may come behind the stop that was asked for, and kills what nobody traces any more.
 */
static void go_on(pid_t target, int status, bool over)
{
	bool asked_for = status >> 16;
	int sig = judge_stop(target, status);

	if (!over)
		ptrace(PTRACE_SINGLESTEP, target, NULL, sig);
	else if (asked_for && trap_is_pending(target))
		ptrace(PTRACE_CONT, target, NULL, sig);
	else
		ptrace(PTRACE_DETACH, target, NULL, sig);
}

/* Returns whether the command, if there is one, has ended well. */
static bool run(pid_t target, char **argv)
{
	bool over = false, good = true;
	pid_t command, pid;
	int status;

	if (ptrace(PTRACE_SEIZE, target, NULL, NULL) ||
	    ptrace(PTRACE_INTERRUPT, target, NULL, NULL))
		die("steps: the process");
	command = command_start(argv);
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (pid == command) {
			over = true;
			good = WIFEXITED(status) && !WEXITSTATUS(status);
			ptrace(PTRACE_INTERRUPT, target, NULL, NULL);
		} else if (!WIFSTOPPED(status)) {
			return !command; /* it has ended */
		} else {
			go_on(target, status, over);
		}
	}
	return good; /* the process is traced no more */
}

int main(int argc, char **argv)
{
	pid_t target = argc > 1 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
	bool good;

	if (target <= 0) {
		fprintf(stderr, "usage: steps PID [COMMAND...]\n");
		return 2;
	}
	good = run(target, argv + 2);
	printf("%llu %llu\n", (unsigned long long)n_steps, (unsigned long long)n_syscalls);
	return !good;
}
