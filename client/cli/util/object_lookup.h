/* SPDX-License-Identifier: MIT */
/* Looks up one of the broker's steering objects by what a person calls it. */
#pragma once

#include "client/include/rssb.h"

/*
 * Finds the object that text names: its name, or its id in 64 hex digits.
 * 0, or -ENOENT, or what rssb_info() and rssb_object() return.
 */
int object_lookup(struct rssb *c, const char *text, struct rssb_object *ret);
