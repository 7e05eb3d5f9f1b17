/* SPDX-License-Identifier: MIT */
/*
 * What a sealed process may do, and what kills it.  Each try is made by a child
 * of its own, as whatever user runs this.
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/sockios.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/common/log.h"
#include "broker/common/privileges.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { FRONT = 1, LOADER = 2, CLOSER = 4, ALL = 7 };

static const struct process {
	int bit;
	enum broker_process process;
} processes[] = {
	{ FRONT, PROCESS_FRONT },
	{ LOADER, PROCESS_LOADER },
	{ CLOSER, PROCESS_CLOSER },
};

static const struct row {
	const char *what;
	int allowed; /* in which processes */
	long nr, args[3];
} rows[] = {
	{ "close", ALL, SYS_close, { -1 } },
	{ "recvmsg", ALL, SYS_recvmsg, { -1 } },
	{ "sendmsg", FRONT | LOADER | CLOSER, SYS_sendmsg, { -1 } },
	{ "sendmsg on fd 0", LOADER | CLOSER, SYS_sendmsg, { 0 } },
	{ "sendmsg on fd 1", LOADER | CLOSER, SYS_sendmsg, { 1 } },
	{ "sendmsg on fd 0, for the kernel", LOADER | CLOSER, SYS_sendmsg, { 1L << 32 } },
	{ "sendmsg on fd 2", ALL, SYS_sendmsg, { 2 } },
	{ "sendmsg on a fd with one bit", ALL, SYS_sendmsg, { 1 << 14 } },
	{ "accept4", FRONT, SYS_accept4, { -1 } },
	{ "bpf BPF_MAP_CREATE", LOADER, SYS_bpf, { BPF_MAP_CREATE } },
	{ "bpf BPF_PROG_LOAD", LOADER, SYS_bpf, { BPF_PROG_LOAD } },
	{ "bpf BPF_PROG_ATTACH", 0, SYS_bpf, { BPF_PROG_ATTACH } },
	{ "bpf BPF_PROG_GET_FD_BY_ID", 0, SYS_bpf, { BPF_PROG_GET_FD_BY_ID } },
	{ "bpf BPF_OBJ_PIN", 0, SYS_bpf, { BPF_OBJ_PIN } },
	{ "bpf BPF_RAW_TRACEPOINT_OPEN", 0, SYS_bpf, { BPF_RAW_TRACEPOINT_OPEN } },
	{ "mmap", FRONT, SYS_mmap, { 0, 0, PROT_READ } },
	{ "mmap PROT_EXEC", 0, SYS_mmap, { 0, 0, PROT_READ | PROT_EXEC } },
	{ "ioctl", FRONT, SYS_ioctl, { -1, SIOCOUTQ } },
	{ "ioctl, with an upper half", 0, SYS_ioctl, { -1, 1L << 32 | SIOCOUTQ } },
#ifdef __x86_64__
	{ "close, of x32", 0, 0x40000000 | SYS_close, { -1 } },
#endif
	{ "mprotect", 0, SYS_mprotect, { 0 } },
	{ "clone of a process", CLOSER, SYS_clone, { SIGCHLD } },
	{ "clone of a thread", 0, SYS_clone, { CLONE_VM | CLONE_SIGHAND | CLONE_THREAD } },
	{ "clone CLONE_NEWUSER", 0, SYS_clone, { CLONE_NEWUSER | SIGCHLD } },
	{ "openat", 0, SYS_openat, { AT_FDCWD } },
	{ "execve", 0, SYS_execve, { 0 } },
	{ "socket", 0, SYS_socket, { AF_UNIX, SOCK_STREAM } },
	{ "connect", 0, SYS_connect, { -1 } },
	{ "ptrace", 0, SYS_ptrace, { PTRACE_TRACEME } },
	{ "process_vm_writev", 0, SYS_process_vm_writev, { 0 } },
	{ "kill", 0, SYS_kill, { 0 } },
	{ "setuid", 0, SYS_setuid, { 0 } },
	{ "capset", 0, SYS_capset, { 0 } },
	{ "prctl", 0, SYS_prctl, { PR_SET_DUMPABLE, 1 } },
	{ "unlinkat", 0, SYS_unlinkat, { -1 } },
	{ "keyctl", 0, SYS_keyctl, { 0 } },
	{ "perf_event_open", 0, SYS_perf_event_open, { 0 } },
	{ "io_uring_setup", 0, SYS_io_uring_setup, { 0 } },
};

/* What the sanitizers' own list lets through says nothing about ours. */
static int is_told_apart(const struct row *row)
{
#ifdef RSSB_SANITIZED
	return row->nr != SYS_mmap && row->nr != SYS_mprotect && row->nr != SYS_openat;
#else
	return 1;
#endif
}

/* The wait status of a process that was sealed and then made the call. */
static int status_of(const struct process *process, const struct row *row)
{
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || seccomp_start(process->process))
			_exit(2);
		syscall(row->nr, row->args[0], row->args[1], row->args[2], 0, -1, 0);
		_exit(0); /* whatever it returned, it was let through */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void seal_allows_what_it_should(void **state)
{
	for (size_t i = 0; i < COUNT(processes); i++) {
		for (size_t j = 0; j < COUNT(rows); j++) {
			int status = status_of(&processes[i], &rows[j]);
			int killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;

			if (is_told_apart(&rows[j]) &&
			    killed == !!(rows[j].allowed & processes[i].bit))
				fail_msg("%s in process %d: status 0x%x", rows[j].what,
					 processes[i].bit, status);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(seal_allows_what_it_should) };

	log_set_level(LOG_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
