/* SPDX-License-Identifier: MIT */
/*
 * Where a QMP message begins and ends in a stream of bytes, as QEMU sees it: a
 * message is a JSON value, wherever line ends are, and a byte that begins no
 * token is an error of its own.  Pure, of fixed size, for hostile bytes.
 */
#pragma once

#include <stddef.h>

#define QMP_MESSAGE_MAX 4096 /* bytes, from a message's first token to its last */

enum qmp_frame_event {
	QMP_FRAME_MORE,	    /* all bytes are taken, nothing is complete */
	QMP_FRAME_MESSAGE,  /* text holds one; its tokens are good, its grammar is not judged */
	QMP_FRAME_STRAY,    /* no token can begin or go on like this */
	QMP_FRAME_TOO_LONG, /* what is left of the line is going to be skipped */
};

struct qmp_frame {
	unsigned char state;
	int braces, brackets; /* open ones; QEMU counts them separately */
	size_t len;
	char text[QMP_MESSAGE_MAX + 1]; /* ended by NUL */
};

void qmp_frame_init(struct qmp_frame *f);

/*
 * Takes bytes until something happens; returns how many it took.  text is
 * good until the next call.  An event may come without a byte being taken.
 */
size_t qmp_frame_feed(struct qmp_frame *f, const char *data, size_t len, enum qmp_frame_event *ret);
