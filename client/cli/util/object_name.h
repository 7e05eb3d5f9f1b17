/* SPDX-License-Identifier: MIT */
/* The objects that a broker knows, by what a person calls them. */
#pragma once

#include "client/include/rssb.h"

/*
 * Finds the object that text names: its name, or its id in 64 hex digits.
 * 0, or -ENOENT, or what rssb_info() and rssb_object() return.
 */
int object_find(struct rssb *c, const char *text, struct rssb_object *ret);
