/* SPDX-License-Identifier: MIT */
/*
 * rssb doctor, in two steps.  collect*.c gather the facts and judge nothing; then each check is
 * a pure function of the facts.  Doctor changes nothing, but for the one grant that it asks for
 * and gives back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/cli/net/rtnl_link.h"
#include "client/cli/qemu/qemu_object.h"
#include "client/cli/util/mem.h"
#include "client/include/rssb.h"

/* --- the facts: an int is 0 or a value, or -errno where it is not known -------- */

struct doctor_host {
	char release[65];	   /* uname -r */
	bool passrights;	   /* SO_PASSRIGHTS is known */
	int bpf;		   /* -ENOSYS: there is no bpf(2) */
	int unprivileged_bpf, jit; /* what the sysctls say */
	int tun, vhost;		   /* opening the devices */
	int selinux;		   /* 1: enforcing */
	int selinux_virt;	   /* our boolean; -ENOENT: our module is not there */
	bool apparmor;		   /* it is enabled */
	int apparmor_virt;	   /* 1: libvirt's VMs may reach the broker; -ENOENT: no libvirt */
};

struct doctor_broker {
	int error; /* of connecting and asking what it is */
	char *why;
	char *access; /* what to do so that this user can connect; NULL: the socket let it in */
	struct rssb_info info;
	struct rssb_object *objects;
	uint32_t n_objects;
	int grant; /* of getting a set */
	char *grant_why;
};

struct doctor_tap {
	int error;
	struct rtnl_link link;
	bool in_group; /* this user is in the group that may open it */
};

/* A QEMU, be it a binary or running. */
struct doctor_qemu {
	int error;
	char *why;
	int major, minor;
	bool takes_fds; /* its virtio-net has ebpf-rss-fds */
	struct qemu_object object;
};

/* A virtio-net device of a VM. */
struct doctor_device {
	char *name;
	bool rss, mq; /* the properties */
	size_t fds;   /* how many it was given */
};

struct doctor_vm {
	struct doctor_qemu qemu; /* error: the monitor cannot be asked, or went away */
	int on_demand; /* 1: librssb-qemu.so is in its environment, 0: it is not; -errno */
	struct doctor_device *devices;
	size_t n_devices;
};

struct doctor {
	const char *socket;		      /* the broker's; NULL: the default */
	const char *qemu_path, *ifname, *qmp; /* NULL: not asked about */
	bool json;			      /* the report is for programs */
	uid_t uid;			      /* who asks */
	struct doctor_host host;
	struct doctor_broker broker;
	struct doctor_qemu qemu;
	struct doctor_tap tap;
	struct doctor_vm vm;
};

void doctor_collect_host(struct doctor *d);
void doctor_collect_broker(struct doctor *d);
void doctor_collect_qemu(struct doctor *d);
void doctor_collect_tap(struct doctor *d);
void doctor_collect_vm(struct doctor *d);

/* --- the judgement -------------------------------------------------------------- */

enum doctor_verdict { DOCTOR_OK, DOCTOR_PROBLEM, DOCTOR_NOT_APPLICABLE, DOCTOR_NOT_KNOWABLE };

/* Owns both. */
struct doctor_finding {
	enum doctor_verdict verdict;
	char *text;
	char *fix; /* what to do; NULL unless it is a problem */
};

/* Takes both.  Control characters in them are replaced: a file name or QEMU's words may have some.
 */
struct doctor_finding doctor_finding_new(enum doctor_verdict verdict, char *fix, char *text);

/* What a check returns: its line, formatted as by printf(). */
#define doctor_ok(...) doctor_finding_new(DOCTOR_OK, NULL, mem_format(__VA_ARGS__))

#define doctor_skip(...) doctor_finding_new(DOCTOR_NOT_APPLICABLE, NULL, mem_format(__VA_ARGS__))

#define doctor_unknown(...) doctor_finding_new(DOCTOR_NOT_KNOWABLE, NULL, mem_format(__VA_ARGS__))

/* A problem comes with what to do, fix, which it takes. */
#define doctor_problem(fix, ...) doctor_finding_new(DOCTOR_PROBLEM, fix, mem_format(__VA_ARGS__))

/* "alice", or the number; to be freed. */
char *doctor_user(uid_t uid);

typedef struct doctor_finding doctor_check(const struct doctor *d);

struct doctor_entry {
	const char *name;
	doctor_check *check;
};
extern const struct doctor_entry doctor_checks[];
extern const size_t doctor_n_checks;

doctor_check doctor_kernel, doctor_unprivileged_bpf, doctor_jit, doctor_selinux, doctor_apparmor;
doctor_check doctor_tun, doctor_vhost;
doctor_check doctor_reachable, doctor_version, doctor_grant;
doctor_check doctor_qemu_version, doctor_qemu_vhost, doctor_qemu_object;
doctor_check doctor_tap_kind, doctor_tap_queues, doctor_tap_header, doctor_tap_owner;
doctor_check doctor_vm_version, doctor_vm_vhost, doctor_vm_object;
doctor_check doctor_vm_rss, doctor_vm_fds, doctor_vm_guest;
