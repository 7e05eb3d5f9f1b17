/* SPDX-License-Identifier: MIT */
/* Grants and their leases.  Must never allocate: the table is all there is. */
#include "broker/front/grant.h"

#include <errno.h>
#include <sha2.h>
#include <string.h>
#include <sys/random.h>

#define NO_SLOT UINT32_MAX

int grants_init(struct grants *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (getrandom(ret->secret, sizeof(ret->secret), 0) != sizeof(ret->secret))
		return -errno;
	for (uint32_t i = 0; i < GRANTS_MAX; i++) {
		ret->list[i].maps = GRANT_MAPS_INIT;
		ret->list[i].next_free = i + 1 < GRANTS_MAX ? i + 1 : NO_SLOT;
	}
	return 0;
}

/* Visits the live grants and stops after the last of them, so that few grants cost little time. */
#define FOR_EACH_GRANT(it, g)                                                                      \
	for (uint32_t i_ = 0, left_ = (g)->n_live; left_ && ((it) = &(g)->list[i_], true); i_++)   \
		if ((it)->id && left_--)

static bool id_is_free(const struct grants *g, uint64_t id)
{
	const struct grant *it;

	FOR_EACH_GRANT (it, g)
		if (it->id == id)
			return false;
	return true;
}

/*
 * Without the secret an id tells nothing of other ids, nor how many there were. Stays below 2^53,
 * where a JSON number is still exact.
 */
static uint64_t id_make(struct grants *g)
{
	const size_t n_ids = sizeof(g->digest) / sizeof(g->digest[0]);
	uint64_t id;
	SHA2_CTX sha;

	do {
		if (g->n_made % n_ids == 0) {
			SHA256Init(&sha);
			SHA256Update(&sha, g->secret, sizeof(g->secret));
			SHA256Update(&sha, (const uint8_t *)&g->n_made, sizeof(g->n_made));
			SHA256Final((uint8_t *)g->digest, &sha);
		}
		id = g->digest[g->n_made++ % n_ids] >> 11;
	} while (!id || !id_is_free(g, id));
	return id;
}

struct grant *grant_new(struct grants *g, struct account *account,
			const struct rssb_request_acquire *request, struct grant_maps *maps)
{
	struct grant *new = &g->list[g->first_free];

	g->first_free = new->next_free;
	new->id = id_make(g);
	g->n_live++;
	new->account = account;
	new->kind = request->kind;
	new->flags = request->flags;
	memcpy(new->label, request->label, sizeof(new->label));
	new->maps = *maps;
	*maps = GRANT_MAPS_INIT;
	grant_note_steering(new, &request->steering);
	return new;
}

void grant_note_steering(struct grant *grant, const struct rssb_steering_wire *steering)
{
	grant->queues = steering->queues;
	grant->table_len = steering->table_len;
	grant->hash_types = steering->hash_types;
}

static bool grant_is(const struct grant *grant, const struct rssb_grant_ref *ref)
{
	return ref->id ? grant->id == ref->id
		       : !memcmp(grant->label, ref->label, sizeof(grant->label));
}

struct grant *grant_find(struct grants *g, const struct rssb_grant_ref *ref,
			 const struct account *account)
{
	struct grant *others = NULL, *it;
	unsigned n_others = 0;

	FOR_EACH_GRANT (it, g) {
		if (grant_is(it, ref) && it->account == account)
			return it;
		if (grant_is(it, ref) && account->uid == 0) {
			others = it;
			n_others++;
		}
	}
	return n_others == 1 ? others : NULL;
}

bool grant_label_taken(const struct grants *g, const char label[RSSB_LABEL_MAX],
		       const struct account *account)
{
	const struct grant *it;

	if (!label[0])
		return false;
	FOR_EACH_GRANT (it, g)
		if (it->account == account && !memcmp(it->label, label, sizeof(it->label)))
			return true;
	return false;
}

void grant_end(struct grants *g, struct grant *grant)
{
	grant_maps_done(&grant->maps);
	grant->id = 0;
	g->n_live--;
	grant->next_free = g->first_free;
	g->first_free = grant_index(g, grant);
}
