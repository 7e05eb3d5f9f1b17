/* SPDX-License-Identifier: MIT */
/*
 * A grant is one set that a client got: which account (account.h) pays for it, and what
 * the broker keeps of it.  A grant lives while its lease has a reader, or, when it has
 * no lease, until it is released; the connection it was asked for on may be long gone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/front/account.h"
#include "broker/front/grant_maps.h"
#include "proto/rssb_proto.h"

#define GRANTS_MAX 4096

struct grant {
	uint64_t id; /* 0: a free slot */
	struct account *account;
	pid_t pid; /* of the client, when it connected */
	uint64_t made_ms;
	unsigned object; /* its index */
	uint64_t weight; /* bytes of kernel memory */
	uint16_t kind;	 /* enum rssb_kind */
	uint16_t flags;	 /* enum rssb_acquire_flags */
	char label[RSSB_LABEL_MAX];
	struct grant_maps maps;	    /* what the broker keeps of the set */
	bool watched;		    /* its end will be noticed */
	uint16_t queues, table_len; /* of the last ACQUIRE or UPDATE; 0: the client configures */
	uint32_t hash_types;
	uint32_t next_free;
};

struct grants {
	uint8_t secret[32]; /* that ids are made of */
	uint64_t n_made;
	uint64_t digest[4]; /* what the next ids are made of, one word each */
	uint32_t n_live, first_free;
	struct grant list[GRANTS_MAX];
};

/* Takes a new secret: the ids of one start tell nothing of those of the next. */
int grants_init(struct grants *ret);

/* Makes a grant, which takes *maps.  There must be a free slot: fewer live than GRANTS_MAX. */
struct grant *grant_new(struct grants *g, struct account *account,
			const struct rssb_request_acquire *request, struct grant_maps *maps);

/* Notes what the grant's maps were filled with. */
void grant_note_steering(struct grant *grant, const struct rssb_steering_wire *steering);

/*
 * The live grant that ref names and account may touch (root: any; a label of root's
 * own goes before another's, and one that several accounts use names none), or NULL.
 */
struct grant *grant_find(struct grants *g, const struct rssb_grant_ref *ref,
			 const struct account *account);

/* Whether an account has a live grant of that label; the empty label is never taken. */
bool grant_label_taken(const struct grants *g, const char label[RSSB_LABEL_MAX],
		       const struct account *account);

/* Ends a grant: its lease hangs up, its slot is free. */
void grant_end(struct grants *g, struct grant *grant);

/* Where a grant lies in the list, for the data of an event. */
static inline uint32_t grant_index(const struct grants *g, const struct grant *grant)
{
	return (uint32_t)(grant - g->list);
}
