/* SPDX-License-Identifier: MIT */
/* Tells an id from a label.  Pure. */
#include "client/cli/util/grant_name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"

int grant_name_parse(struct grant_name *ret, const char *text)
{
	uint64_t id;

	if (!rssb_label_valid(text) && text[strspn(text, "0123456789")])
		return -EINVAL;
	if (text[strspn(text, "0123456789")]) {
		*ret = (struct grant_name){ .label = text };
		return 0;
	}

	errno = 0;
	id = strtoull(text, NULL, 10);
	if (errno || !id)
		return -EINVAL;
	*ret = (struct grant_name){ .id = id };
	return 0;
}
