/* SPDX-License-Identifier: MIT */
/* What the wire's numbers are called: for logs, reasons and people. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/rssb_proto.h"

/* Writes n bytes as 2 * n hex digits and a NUL. */
void rssb_hex_format(char *ret, const uint8_t *bytes, size_t n);

/* Writes an id as 64 hex digits and a NUL. */
void rssb_object_id_format(char ret[2 * RSSB_OBJECT_ID_LEN + 1],
			   const uint8_t id[RSSB_OBJECT_ID_LEN]);

/*
 * Turns each control character, also those of two bytes in UTF-8, into '?': text of another
 * process or of a file name must not command a terminal, and it is to stay one line.  Returns text.
 */
char *text_sanitize(char *text);

/* Names for logs, reasons and people; "?" for an unknown one. */
const char *rssb_status_name(unsigned status);
const char *rssb_abi_name(unsigned abi);
