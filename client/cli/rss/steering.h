/* SPDX-License-Identifier: MIT */
/*
 * Steering in the words of ethtool -X, given as one argument (STEERING_HELP).  Besides what that
 * says: with "equal N" entry i of 128 is queue i % N; the weights' sum is 1..128, and they share
 * out the 128 entries in proportion, in order; a table has 1, 2, 4 ... 128 entries; hash-types
 * with tunnels alone means all the others, too.  Words are separated by white space; each clause
 * may be there once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/cli/util/why.h"
#include "client/include/rssb.h"

/* For a command's --help; key_default says what no hkey means. */
#define STEERING_HELP(key_default)                                                                 \
	"STEERING is one argument in the words of ethtool -X:\n"                                   \
	"  equal N | weight W0 W1 ... | table Q,Q,...   which queues, how often\n"                 \
	"  start N           equal and weight begin at queue N\n"                                  \
	"  hkey aa:bb:...    the key, 40 bytes; \"symmetric\": both directions of a flow\n"        \
	"                    on one queue (default: " key_default ")\n"                            \
	"  default-queue N   for packets of no enabled hash type (default: 0)\n"                   \
	"  hash-types LIST   of ipv4 tcp4 udp4 ipv6 tcp6 udp6 ip_ex tcp_ex udp_ex,\n"              \
	"                    or all (the default) or none; and of tunnels, whose inner\n"          \
	"                    headers are then hashed: gre ipip vxlan geneve nvgre\n"               \
	"                    gre-udp vxlan-gpe\n"

struct steering {
	uint32_t hash_types;
	uint16_t queues; /* the highest queue that it names, plus one */
	uint16_t default_queue;
	uint16_t table_len;  /* 0: no equal, weight or table was given */
	bool keyed;	     /* false: no hkey was given, the key is zero */
	uint16_t key_unused; /* bytes behind the 40; steering_check() takes none */
	uint8_t key[RSSB_KEY_BYTES];
	uint16_t table[RSSB_TABLE_ENTRIES_MAX];
};

/*
 * Pure.  0; or -EINVAL with *ret untouched and in why what was wrong, with
 * which value, and what is allowed.
 */
int steering_parse(struct steering *ret, const char *text, char why[WHY_MAX]);

/* -EINVAL: it names no queues, or its key is too long for a grant. */
int steering_check(const struct steering *s, char why[WHY_MAX]);

/*
 * steering_check(), and a random key if none was given.  -EINVAL, or what
 * getrandom(2) returns.
 */
int steering_complete(struct steering *s, char why[WHY_MAX]);

/* What librssb takes; it borrows the key, if there is one, and the table of *s. */
struct rssb_steering steering_view(const struct steering *s);

/* "tcp4" of a single hash type bit; "?" for another. */
const char *steering_hash_type_name(uint32_t bit);
