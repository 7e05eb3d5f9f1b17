/* SPDX-License-Identifier: MIT */
/*
 * What the caller gives, put into the fields of a request.  Only what cannot be
 * put on the wire is refused here: the broker judges the rest.
 */
#pragma once

#include "client/include/rssb.h"
#include "client/lib/connection.h"

/*
 * Copies a sized struct: a program and a library of different ages agree on what both know, and
 * never silently ignore what only one knows.  The struct at src, whose first member is its size as
 * the program was compiled, goes into the known_size bytes at dst.  What an older program does not
 * have becomes zero.  -EINVAL: not even the size is there, or a newer program uses a field that
 * this library does not know.
 */
int fill_options(void *dst, size_t known_size, const void *src);

/* NULL: the broker's own object. */
void fill_object(struct rssb_object_ref *ret, const uint8_t *id);

/* Each of these: 0, or -EINVAL with the reason stored in c. */
int fill_label(struct rssb *c, char ret[RSSB_LABEL_MAX], const char *label);
int fill_grant(struct rssb *c, struct rssb_grant_ref *ret, uint64_t id, const char *label);
int fill_steering(struct rssb *c, struct rssb_steering_wire *ret,
		  const struct rssb_steering *steering, bool may_keep_key);
