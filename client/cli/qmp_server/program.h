/* SPDX-License-Identifier: MIT */
/* The programs that request-ebpf knows, QEMU's EbpfProgramID, and where their bytes come from. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A program by its name in QMP.  Another one is another row of the table. */
struct qmp_program {
	const char *id;
	const uint8_t *object_id; /* which of the broker's objects; NULL: its own of qemu-rss-1 */
};

/* Ended by one without an id. */
extern const struct qmp_program qmp_programs[];

const struct qmp_program *qmp_program_find(const char *id); /* NULL: there is none */

/*
 * Where programs come from: a broker, which may be restarted between two requests.
 * What it sent is used again for a second, since each export is charged.
 */
struct qmp_source;

/* path: the broker's socket, borrowed; NULL: librssb's default. */
struct qmp_source *qmp_source_new(const char *path);
struct qmp_source *qmp_source_free(struct qmp_source *s); /* returns NULL */

/* The program's ELF bytes in base64, to be freed; NULL: *ret_why says why not. */
char *qmp_source_get(struct qmp_source *s, const struct qmp_program *program, const char **ret_why);
