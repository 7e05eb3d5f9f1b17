/* SPDX-License-Identifier: MIT */
/* A running VM, told what to do over its monitor, and why the last step failed. */
#pragma once

#include <stdbool.h>

struct json_object;
struct monitor;

struct vm {
	struct monitor *monitor;
	char *why; /* of the step that failed, to be freed by the caller */
};

/*
 * Connects to the VM's monitor: one of qmp and domain is not NULL (monitor_open()).  0, or
 * CLI_FAILED with vm->why.
 */
int vm_reach(struct vm *vm, const char *qmp, const char *domain);
void vm_done(struct vm *vm);

/* Takes why, which becomes vm->why.  Returns CLI_FAILED. */
int vm_fail_line(struct vm *vm, char *why);
#define vm_fail(vm, ...) vm_fail_line(vm, mem_format(__VA_ARGS__))

/* Adds to vm->why what the user has to know besides.  Takes words.  Returns CLI_FAILED. */
int vm_remark_line(struct vm *vm, char *words);
#define vm_remark(vm, ...) vm_remark_line(vm, mem_format(__VA_ARGS__))

/*
 * Takes arguments.  fd: -1, or one that goes along with the command.  What QEMU
 * refuses is said with what helps.  0, or CLI_FAILED with vm->why.
 */
int vm_execute(struct vm *vm, const char *command, struct json_object *arguments, int fd,
	       struct json_object **ret);

/* Whether it has a device of this id.  0, or CLI_FAILED with vm->why. */
int vm_has_device(struct vm *vm, const char *id, bool *ret);

/*
 * What QEMU says of a netdev ("tap"), or with nic of a device that is on a netdev ("nic"); to be
 * freed.  NULL: there is none of this id, or QEMU does not tell.
 */
char *vm_network_type(struct vm *vm, const char *id, bool nic);
