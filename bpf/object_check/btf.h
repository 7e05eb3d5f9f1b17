/* SPDX-License-Identifier: MIT */
/*
 * A reader of BTF that trusts no byte of it: what it has accepted, every name,
 * reference and length included, cannot lead a later reader out of bounds or
 * around in circles.  Pure.
 */
#pragma once

#include <linux/btf.h>
#include <stddef.h>
#include <stdint.h>

/* Borrows the bytes; owns offsets. */
struct shape_btf {
	const unsigned char *types;
	const char *strings;
	uint32_t types_len, strings_len;
	uint32_t n;	   /* types, void (0) included */
	uint32_t *offsets; /* of each type; of void there is none */
};
#define SHAPE_BTF_INIT                                                                             \
	{                                                                                          \
		0                                                                                  \
	}

/* A type, and where what follows it lies: vlen members, parameters, ... */
struct shape_type {
	const char *name; /* "": none */
	uint32_t kind;	  /* BTF_KIND_* */
	uint32_t vlen;
	uint32_t type; /* or, of kinds that have one, the size */
	const unsigned char *more;
};

/* Judges all of it.  -EINVAL: not sound; -ENOMEM. */
int shape_btf_init(struct shape_btf *ret, const void *data, size_t len);
void shape_btf_done(struct shape_btf *b);

/* id: below n, as every reference in it is. */
struct shape_type shape_btf_type(const struct shape_btf *b, uint32_t id);
const char *shape_btf_name(const struct shape_btf *b, uint32_t offset);

/* Member i of a struct, variable i of a section. */
struct btf_member shape_btf_member(const struct shape_type *t, uint32_t i);
struct btf_var_secinfo shape_btf_variable(const struct shape_type *section, uint32_t i);

/* The type behind const, volatile, restrict, typedef and type tags. */
uint32_t shape_btf_plain(const struct shape_btf *b, uint32_t id);

/* Bytes that a value takes; -EINVAL: it is no value, or too large. */
int64_t shape_btf_size(const struct shape_btf *b, uint32_t id);
