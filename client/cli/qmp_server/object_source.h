/* SPDX-License-Identifier: MIT */
/*
 * Where request-ebpf's object comes from: a broker, which may be restarted between two requests.
 * What it sent is used again for a second, since each export is charged.
 */
#pragma once

#include <stdint.h>

/* Zeroed but for broker.  Owns text. */
struct qmp_object_source {
	const char *broker; /* its socket; NULL: librssb's default */
	char *text;	    /* the last object in base64; NULL: none */
	int64_t fresh_until;
	char why[256]; /* the last failure */
};

/* The ELF bytes of the broker's own object in base64, to be freed; NULL: s->why says why not. */
char *qmp_object_get(struct qmp_object_source *s);
