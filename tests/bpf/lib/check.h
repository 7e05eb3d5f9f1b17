/* SPDX-License-Identifier: MIT */
/* What the steering tests have in common: cmocka, the objects under test, defaults. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/bpf/lib/object.h"
#include "tests/bpf/lib/steering.h"

/* The objects of this tree, by the names of their files; NULL ends them. */
extern const char *const check_names[];

/*
 * Loads an object of this tree.  False, with the reason on stdout: not root, and the
 * tests are to be skipped.  One that is not built or does not load ends the program.
 */
bool check_open(struct object *o, const char *name);

/* The same for QEMU's, which may also not be there. */
bool check_open_qemu(struct object *o);

/* Everything on, Microsoft's key, a table of 128 in which entry i is queue i. */
struct steering check_steering(void);

/* Where a packet that is not hashed goes in check_steering(). */
#define CHECK_DEFAULT_QUEUE 999

/* For repeatable random tests: a xorshift generator. */
uint32_t check_random(uint32_t *state);
