/* SPDX-License-Identifier: MIT */
/* How a person names a grant: all digits are its id, all else is its label. */
#pragma once

#include <stdint.h>

/* What librssb takes: id 0 with a label, or an id with NULL. */
struct grant_name {
	uint64_t id;
	const char *label; /* borrowed */
};

/* 0, or -EINVAL: neither an id nor a label that any grant can have. */
int grant_name_parse(struct grant_name *ret, const char *text);
