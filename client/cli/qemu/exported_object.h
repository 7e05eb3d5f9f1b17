/* SPDX-License-Identifier: MIT */
/*
 * The steering object that is built into a QEMU, as this QEMU exports it by the QMP command
 * request-ebpf.  The QEMU is a running VM, or one that was started to be asked (probe.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct qmp_client;

/* Owns elf and why. */
struct qemu_object {
	unsigned char *elf; /* NULL: QEMU gives none */
	size_t size;
	uint8_t id[32]; /* SHA-256 of elf */
	char *why;	/* there is none; NULL: there is one */
};
#define QEMU_OBJECT_INIT                                                                           \
	{                                                                                          \
		0                                                                                  \
	}

/*
 * 0, also if QEMU has none to give: then why says it to the user.  Otherwise
 * what qmp_client_execute() returns when the conversation has failed.
 */
int qemu_object_ask(struct qemu_object *ret, struct qmp_client *qmp);

/* From the base64 of request-ebpf, which may be NULL; what is none is why. */
void qemu_object_decode(struct qemu_object *ret, const char *text);
void qemu_object_done(struct qemu_object *o);
