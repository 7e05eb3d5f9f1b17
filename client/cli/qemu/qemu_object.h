/* SPDX-License-Identifier: MIT */
/*
 * The steering object that is built into a QEMU, as this QEMU exports it by the QMP command
 * request-ebpf.  The QEMU is a running VM, or one that was started to be asked (probe.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct monitor;

/* Owns elf and why. */
struct qemu_object {
	unsigned char *elf; /* NULL: QEMU gives none */
	size_t size;
	uint8_t id[32]; /* SHA-256 of elf */
	char *why;	/* why there is no elf; NULL: there is one */
};

/*
 * 0, also if QEMU has no object to give: then ret->why tells the user so.  Otherwise what
 * monitor_execute() returns when the monitor cannot be asked.
 */
int qemu_object_ask(struct qemu_object *ret, struct monitor *monitor);

/* Decodes what request-ebpf returned, may be NULL.  If it is no base64, ret->why says so. */
void qemu_object_decode(struct qemu_object *ret, const char *text);
void qemu_object_done(struct qemu_object *o);

/* --- which of the broker's objects this QEMU is given ------------------------------ */

/*
 * The same object if --exact asks for it, else the broker's of the same ABI.
 * 0: *ret_id is what to ask the broker for, NULL for its own object, and points
 * into o.  -ENOENT: QEMU has no object, and takes none; -EINVAL: its maps are others
 * than the broker knows.  Then ret_why tells the user so; to be freed.
 */
int qemu_object_choose(const struct qemu_object *o, bool exact, const uint8_t **ret_id,
		       char **ret_why);

/* What --verbose says of a choice; to be freed. */
char *qemu_object_describe(const struct qemu_object *o, const uint8_t *id);

/* What to say when the broker does not have the object of this id; to be freed. */
char *qemu_object_missing(const uint8_t *id);
