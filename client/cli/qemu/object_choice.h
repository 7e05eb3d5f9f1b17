/* SPDX-License-Identifier: MIT */
/*
 * Which of the broker's steering objects a QEMU is given, by the object that this QEMU
 * exports: that same object if --exact asks for it, else the broker's of the same ABI.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct qemu_object;

/*
 * 0: *ret_id is what to ask the broker for, NULL for its own object, and points
 * into o.  -ENOENT: QEMU has no object, and takes none; -EINVAL: its maps are others
 * than the broker knows.  Then ret_why says it to the user; to be freed.
 */
int object_choose(const struct qemu_object *o, bool exact, const uint8_t **ret_id, char **ret_why);

/* What --verbose says of a choice; to be freed. */
char *object_choice_describe(const struct qemu_object *o, const uint8_t *id);

/* What to say when the broker does not have the object of this id; to be freed. */
char *object_choice_missing(const uint8_t *id);
