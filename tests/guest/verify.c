// SPDX-License-Identifier: MIT
/*
 * The first process of a guest that only asks its kernel whether steering objects
 * load: the files of /objects (tests/bpf/relocated.h), with CAP_BPF and CAP_PERFMON,
 * and with CAP_BPF alone.  A line each on the console, then it powers off:
 *
 *	verify: RELEASE OBJECT both|alone ERRNO INSNS      the verified instructions
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bpf/relocated.h"

static struct relocated relocated;
static char verifier_log[1 << 16];

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static void keep_only(int with_perfmon)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2] = { 0 };

	caps[1].permitted = 1u << (CAP_BPF - 32);
	if (with_perfmon)
		caps[1].permitted |= 1u << (CAP_PERFMON - 32);
	caps[1].effective = caps[1].permitted;
	if (syscall(SYS_capset, &header, caps))
		_exit(1);
}

static int relocated_read(const char *name)
{
	char path[300];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/objects/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, &relocated, sizeof(relocated));
	return n == sizeof(relocated) ? 0 : -1;
}

static int map_create(uint32_t i)
{
	union bpf_attr attr = { 0 };

	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = 4;
	attr.value_size = relocated.maps[i].value_size;
	attr.max_entries = relocated.maps[i].max_entries;
	attr.map_flags = BPF_F_MMAPABLE;
	return bpf(BPF_MAP_CREATE, &attr);
}

static void maps_create(void)
{
	int fds[RELOCATED_MAPS_MAX];

	for (uint32_t i = 0; i < relocated.n_maps; i++)
		fds[i] = map_create(i);
	for (uint32_t i = 0; i < relocated.n_insns; i++) {
		struct bpf_insn *insn = &relocated.insns[i];

		if (insn->code == (BPF_LD | BPF_IMM | BPF_DW) && insn->src_reg == BPF_PSEUDO_MAP_FD)
			insn->imm = fds[insn->imm];
	}
}

static int btf_load(void)
{
	union bpf_attr attr = { 0 };

	attr.btf = (uintptr_t)relocated.btf;
	attr.btf_size = relocated.btf_size;
	return bpf(BPF_BTF_LOAD, &attr);
}

/* 0 or the errno; the log then has the reason, or else the statistics. */
static int prog_load(unsigned int log_level)
{
	static const char license[] = "Dual MIT/GPL";
	union bpf_attr attr = { 0 };

	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uintptr_t)relocated.insns;
	attr.insn_cnt = relocated.n_insns;
	attr.license = (uintptr_t)license;
	attr.prog_btf_fd = (uint32_t)btf_load();
	attr.func_info = (uintptr_t)relocated.funcs;
	attr.func_info_cnt = relocated.n_funcs;
	attr.func_info_rec_size = sizeof(relocated.funcs[0]);
	attr.log_level = log_level;
	attr.log_buf = (uintptr_t)verifier_log;
	attr.log_size = sizeof(verifier_log);
	return bpf(BPF_PROG_LOAD, &attr) < 0 ? errno : 0;
}

#define LOG_TAIL 2000

/* Why an object was refused: the end of the log, which says it. */
static void log_print(void)
{
	size_t len;

	prog_load(1);
	len = strlen(verifier_log);
	puts(verifier_log + (len > LOG_TAIL ? len - LOG_TAIL : 0));
}

static void try_object(const char *release, const char *name, int with_perfmon)
{
	const char *processed;
	int error;

	keep_only(with_perfmon);
	if (relocated_read(name))
		_exit(1);
	maps_create();
	error = prog_load(4);
	processed = strstr(verifier_log, "processed ");
	printf("verify: %s %s %s %d %d\n", release, name, with_perfmon ? "both" : "alone", error,
	       processed ? atoi(processed + strlen("processed ")) : -1);
	if (error)
		log_print();
	fflush(stdout);
	_exit(0);
}

static void try_objects(const char *release)
{
	DIR *objects = opendir("/objects");
	struct dirent *entry;

	while (objects && (entry = readdir(objects))) {
		for (int perfmon = 1; entry->d_name[0] != '.' && perfmon >= 0; perfmon--) {
			if (!fork())
				try_object(release, entry->d_name, perfmon);
			wait(NULL);
		}
	}
	if (objects)
		closedir(objects);
}

int main(void)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	struct utsname kernel;

	setrlimit(RLIMIT_MEMLOCK, &unlimited); /* kernels before 5.11 */
	uname(&kernel);
	puts(""); /* the firmware left its own line open */
	fflush(stdout);
	try_objects(kernel.release);
	sync();
	return reboot(RB_POWER_OFF);
}
