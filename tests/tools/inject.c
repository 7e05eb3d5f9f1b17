// SPDX-License-Identifier: MIT
/*
 * Runs a program and makes one chosen system call of one of its processes fail,
 * or kills the process there.  strace(1) cannot: it puts the number -1 in the
 * place of a call, which a seccomp filter answers with death.  Here the call
 * becomes close(-1), which every filter of the broker allows.
 *
 * usage: inject CONTROL PROGRAM ARG...
 *	CONTROL is a file of one page with a struct control in it, which the test
 *	maps, too (tests/lib/injected.py).  The front is 0, loader and closer are
 *	1 and 2, which tell their names by prctl(2); others are numbered from 3 on, anew
 *	when one has ended.  Calls are counted from the first ioctl(2)
 *of the program on, by which it looks at its stderr: what ld.so does is not its own.
 *
 * Ends as the program does.  Must never let a process outlive it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES_MAX 8
#define STAY	      3 /* front, loader and closer; others come and go */
#define CONTROL_SIZE  4096

/* The test writes the first part, countdown last; the rest is ours. */
struct control {
	uint32_t countdown; /* the call that is meant; 0: none */
	uint32_t process;
	uint32_t only;	 /* count calls with this number alone; 0: all */
	uint32_t error;	 /* what it fails with; 0: the signal */
	uint32_t signal; /* what the process gets in front of it */

	uint32_t hit; /* 1 + number of the call that failed; 0: not yet */
	uint32_t counting;
	uint32_t n_calls[PROCESSES_MAX]; /* since the start */
	uint32_t pids[PROCESSES_MAX];
};

struct process {
	pid_t pid;
	bool started;  /* its first stop, by SIGSTOP, has been */
	bool failing;  /* in the call that is to fail */
	bool replaced; /* by close(-1); this was its first argument: */
	unsigned long long rdi;
};

static volatile struct control *control;
static struct process processes[PROCESSES_MAX];

static void die(const char *what)
{
	perror(what);
	exit(125);
}

static struct process *process_find(pid_t pid)
{
	for (int i = 0; i < PROCESSES_MAX; i++) {
		if (processes[i].pid == pid)
			return &processes[i];
	}
	for (int i = processes[0].pid ? STAY : 0; i < PROCESSES_MAX; i++) {
		if (processes[i].pid)
			continue;
		processes[i] = (struct process){ .pid = pid };
		control->pids[i] = (uint32_t)pid;
		return &processes[i];
	}
	fprintf(stderr, "inject: more than %d processes\n", PROCESSES_MAX);
	exit(125);
}

/* Its number may be another's, but those of the three that stay. */
static void process_ended(pid_t pid)
{
	for (int i = STAY; i < PROCESSES_MAX; i++) {
		if (processes[i].pid == pid)
			processes[i].pid = 0;
	}
}

/* Calls that are not counted: they do not return. */
static bool never_returns(uint64_t nr)
{
	return nr == SYS_exit || nr == SYS_exit_group || nr == SYS_rt_sigreturn || nr == SYS_execve;
}

/* Calls that the kernel never lets fail the way they are made: C libraries abort when they do. */
static bool never_fails(uint64_t nr)
{
	static const int numbers[] = { SYS_brk,	    SYS_futex,	SYS_rt_sigprocmask,
				       SYS_getpid,  SYS_gettid, SYS_getppid,
				       SYS_geteuid, SYS_getuid, SYS_umask };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if ((uint64_t)numbers[i] == nr)
			return true;
	}
	return false;
}

/* Calls that do what they are asked to, whatever they return. */
static bool has_its_effect(uint64_t nr)
{
	return nr == SYS_close || nr == SYS_close_range || nr == SYS_munmap;
}

/* Whether this is the call; counts it. */
static bool is_meant(const struct process *p, uint64_t nr)
{
	uint32_t index = (uint32_t)(p - processes), only = control->only;

	if (index == 0 && nr == SYS_ioctl)
		control->counting = 1;
	if (!control->counting || never_returns(nr))
		return false;
	control->n_calls[index]++;
	if (control->process != index || (only && only != nr) || !control->countdown)
		return false;
	return --control->countdown == 0;
}

static void call_replace(struct process *p, uint64_t nr)
{
	struct user_regs_struct regs;

	p->failing = true;
	p->replaced = !has_its_effect(nr);
	if (!p->replaced || ptrace(PTRACE_GETREGS, p->pid, NULL, &regs))
		return;
	p->rdi = regs.rdi;
	regs.rdi = -1ULL;
	regs.orig_rax = SYS_close;
	ptrace(PTRACE_SETREGS, p->pid, NULL, &regs);
}

static void on_entry(struct process *p, uint64_t nr)
{
	if (!is_meant(p, nr) || (control->error && never_fails(nr)))
		return;
	control->hit = (uint32_t)nr + 1;
	if (control->error)
		call_replace(p, nr);
	else
		kill(p->pid, (int)control->signal);
}

static void on_exit_of_call(struct process *p)
{
	struct user_regs_struct regs;

	if (!p->failing || ptrace(PTRACE_GETREGS, p->pid, NULL, &regs))
		return;
	p->failing = false;
	if (p->replaced)
		regs.rdi = p->rdi;
	regs.rax = -(unsigned long long)control->error;
	ptrace(PTRACE_SETREGS, p->pid, NULL, &regs);
}

/* Those that stay say who they are first of all; until then they are one of the others. */
static void on_name(struct process *p, uint64_t at)
{
	static const uint64_t stays[] = { 0x616f6c2d737372 /* "rss-loa" */,
					  0x6f6c632d737372 /* "rss-clo" */ };
	uint64_t name = (uint64_t)ptrace(PTRACE_PEEKDATA, p->pid, (void *)at, NULL);

	for (size_t i = 0; i < sizeof(stays) / sizeof(stays[0]); i++) {
		if ((name & 0xffffffffffffff) != stays[i] || p == &processes[1 + i])
			continue;
		processes[1 + i] = *p;
		control->pids[1 + i] = (uint32_t)p->pid;
		control->pids[p - processes] = 0;
		*p = (struct process){ 0 };
		return;
	}
}

/* Returns the signal that the process shall get, or 0. */
static int on_stop(struct process *p, int status)
{
	struct __ptrace_syscall_info info;
	int sig = WSTOPSIG(status);

	if (sig == (SIGTRAP | 0x80)) {
		if (ptrace(PTRACE_GET_SYSCALL_INFO, p->pid, sizeof(info), &info) <= 0)
			return 0;
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_prctl &&
		    info.entry.args[0] == PR_SET_NAME)
			on_name(p, info.entry.args[1]); /* not a call that fails */
		else if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
			on_entry(p, info.entry.nr);
		else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
			on_exit_of_call(p);
		return 0;
	}
	if (status >> 16) /* an event: a child, an execve */
		return 0;
	if (!p->started && sig == SIGSTOP) {
		p->started = true;
		return 0;
	}
	return sig;
}

/* Returns the wait status of the first process when all have ended. */
static int trace(pid_t first)
{
	int status, result = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (!WIFSTOPPED(status)) {
			if (pid == first)
				result = status;
			process_ended(pid);
			continue;
		}
		ptrace(PTRACE_SYSCALL, pid, NULL, on_stop(process_find(pid), status));
	}
	return result;
}

static pid_t program_start(char **argv)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK |
			     PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("inject: fork");
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || ptrace(PTRACE_SETOPTIONS, pid, NULL, options))
		die("inject: ptrace");
	process_find(pid)->started = true;
	ptrace(PTRACE_SYSCALL, pid, NULL, 0);
	return pid;
}

int main(int argc, char **argv)
{
	int fd, status;

	if (argc < 3) {
		fprintf(stderr, "usage: inject CONTROL PROGRAM ARG...\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	control = mmap(NULL, CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || control == MAP_FAILED)
		die(argv[1]);
	close(fd);
	status = trace(program_start(argv + 2));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
