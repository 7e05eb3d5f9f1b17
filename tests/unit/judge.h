/* SPDX-License-Identifier: MIT */
/*
 * A second judge of messages, on raw bytes and by docs/protocol.md's offsets.
 * Must never call the codec, whose peer in tests it is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t judge_int(const uint8_t *b, size_t at, size_t size)
{
	uint64_t n = 0;

	while (size--)
		n = n << 8 | b[at + size];
	return n;
}

static inline bool judge_zero(const uint8_t *b, size_t from, size_t to)
{
	while (from < to)
		if (b[from++])
			return false;
	return true;
}

static inline bool judge_label(const uint8_t *b, size_t at)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = 0;

	while (n < 16 && b[at + n] && strchr(allowed, b[at + n]))
		n++;
	return judge_zero(b, at + n, at + 16);
}

static inline bool judge_object(const uint8_t *b, size_t at)
{
	uint64_t by = judge_int(b, at, 2), abi = judge_int(b, at + 2, 2);

	return judge_zero(b, at + 4, at + 8) &&
	       ((by == 0 && abi == 1 && judge_zero(b, at + 8, at + 40)) || (by == 1 && abi == 0));
}

static inline bool judge_grant(const uint8_t *b, size_t at)
{
	return judge_label(b, at + 8) && (judge_int(b, at, 8) != 0) != (b[at + 8] != 0);
}

static inline bool judge_steering(const uint8_t *b, size_t at)
{
	uint64_t queues = judge_int(b, at + 4, 2), len = judge_int(b, at + 8, 2);
	bool in_range = !(judge_int(b, at, 4) & ~0x1ff01ffull) && queues >= 1 && queues <= 256 &&
			judge_int(b, at + 6, 2) < queues && judge_int(b, at + 10, 2) == 40 &&
			judge_zero(b, at + 12, at + 16) && len <= 128 &&
			__builtin_popcountll(len) == 1;

	for (size_t i = 0; in_range && i < len; i++)
		in_range = judge_int(b, at + 56 + 2 * i, 2) < queues;
	return in_range && judge_zero(b, at + 56 + 2 * len, at + 312);
}

/* In UPDATE a key of length 0, all zero, stays what it is. */
static inline bool judge_new_steering(const uint8_t *b, size_t at)
{
	uint8_t keyed[512] = { 0 };

	memcpy(keyed, b + at, 312);
	if (!judge_int(b, at + 10, 2) && judge_zero(b, at + 16, at + 56))
		keyed[10] = 40;
	return judge_steering(keyed, 0);
}

/* Digits alone: they would name a grant by its id. */
static inline bool judge_digits(const uint8_t *b, size_t at)
{
	size_t i = 0;

	while (i < 16 && b[at + i] >= '0' && b[at + i] <= '9')
		i++;
	return i && judge_zero(b, at + i, at + 16);
}

static inline bool judge_acquire(const uint8_t *b)
{
	uint64_t kind = judge_int(b, 16, 2), flags = judge_int(b, 18, 2);
	bool no_config = flags & 1, stats = flags & 2, keep = flags & 4;

	return kind >= 1 && kind <= 3 && flags <= 7 && judge_zero(b, 20, 24) &&
	       judge_object(b, 24) && judge_label(b, 64) && !judge_digits(b, 64) &&
	       !(no_config && kind != 1) && !(keep && kind == 1) &&
	       !(kind == 1 && judge_int(b, 80, 4) >> 16) && !(stats && judge_int(b, 24, 2) != 0) &&
	       (no_config ? judge_zero(b, 80, 392) : judge_steering(b, 80));
}

static inline bool judge_moves(const uint8_t *b)
{
	uint64_t n = judge_int(b, 40, 2);

	if (n > 32 || !judge_zero(b, 42, 48) || !judge_zero(b, 48 + 8 * n, 304))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (judge_int(b, 48 + 8 * i, 2) >= 128 || !judge_zero(b, 54 + 8 * i, 56 + 8 * i))
			return false;
		for (size_t j = 0; j < i; j++)
			if (!memcmp(b + 48 + 8 * i, b + 48 + 8 * j, 2))
				return false;
	}
	return true;
}

static inline bool judge_header(const uint8_t *b, size_t len)
{
	return len >= 16 && judge_int(b, 0, 4) == 0x42535352 && judge_int(b, 4, 2) == 1 &&
	       judge_int(b, 8, 4) == len;
}

/* Whether these bytes are a request that a broker must accept. */
static inline bool judge_request(const uint8_t *b, size_t len)
{
	static const size_t lengths[] = { 0, 16, 24, 392, 40, 56, 352, 40, 16, 24, 304 };
	uint64_t op;

	if (!judge_header(b, len))
		return false;
	op = judge_int(b, 6, 2);
	if (op < 1 || op > 10 || len != lengths[op])
		return false;
	switch (op) {
	case 2:
		return judge_zero(b, 20, 24);
	case 3:
		return judge_acquire(b);
	case 5:
		return judge_object(b, 16);
	case 6:
		return judge_grant(b, 16) && judge_new_steering(b, 40);
	case 10:
		return judge_grant(b, 16) && judge_moves(b);
	case 4:
	case 7:
		return judge_grant(b, 16);
	default:
		return true;
	}
}

/* A reply's text: ended by its field or a NUL, and before that of these bytes alone. */
static inline bool judge_text(const uint8_t *b, size_t at, size_t size, bool label)
{
	static const char no_label[] = " !\"#$%&'()*+,/:;<=>?@[\\]^`{|}~";
	const char *bad = label ? no_label : "\"\\";
	size_t n = strnlen((const char *)b + at, size);

	for (size_t i = at; i < at + n; i++)
		if (b[i] < 0x20 || b[i] > 0x7e || strchr(bad, b[i]))
			return false;
	return label || n < size;
}

static inline bool judge_texts(const uint8_t *b, uint64_t op)
{
	switch (op) {
	case 1:
		return judge_text(b, 192, 32, false);
	case 2:
	case 5:
		return judge_text(b, 224, 32, false);
	case 9:
		return judge_text(b, 232, 16, true);
	default:
		return true;
	}
}

/* Whether these bytes are a reply that a client must be able to read. */
static inline bool judge_reply(const uint8_t *b, size_t len)
{
	static const size_t lengths[] = { 192, 240, 264, 232, 192, 264, 192, 6464, 704, 280, 464 };
	uint64_t op;
	bool known;

	if (len < 192 || !judge_header(b, len))
		return false;
	op = judge_int(b, 6, 2) & 0x7fff;
	known = op >= 1 && op <= 10 && judge_int(b, 16, 2) == 0;
	return (b[7] & 0x80) && len == (known ? lengths[op] : 192) && judge_int(b, 18, 2) <= 5 &&
	       !b[191] && (!known || judge_texts(b, op));
}
