/* SPDX-License-Identifier: MIT */
/* Grants and their leases.  Must never allocate: the table is all there is. */
#include "broker/front/grant.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define NO_SLOT UINT32_MAX

int grants_init(struct grants *ret)
{
	uint32_t start;

	if (getrandom(&start, sizeof(start), 0) != sizeof(start))
		return -errno;
	memset(ret, 0, sizeof(*ret));
	/* Stays below 2^53, where a JSON number is still exact. */
	ret->last_id = (uint64_t)start << 20;
	for (uint32_t i = 0; i < GRANTS_MAX; i++) {
		ret->list[i].hold = (struct grant_maps)GRANT_MAPS_INIT;
		ret->list[i].next_free = i + 1 < GRANTS_MAX ? i + 1 : NO_SLOT;
	}
	return 0;
}

struct grant *grant_new(struct grants *g, struct account *account,
			const struct rssb_request_acquire *request, struct grant_maps *hold)
{
	struct grant *new = &g->list[g->first_free];

	g->first_free = new->next_free;
	new->id = ++g->last_id;
	new->account = account;
	new->kind = request->kind;
	new->flags = request->flags;
	memcpy(new->label, request->label, sizeof(new->label));
	new->hold = *hold;
	*hold = (struct grant_maps)GRANT_MAPS_INIT;
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
	if (!grant->id)
		return false;
	return ref->id ? grant->id == ref->id
		       : !memcmp(grant->label, ref->label, sizeof(grant->label));
}

struct grant *grant_find(struct grants *g, const struct rssb_grant_ref *ref,
			 const struct account *account)
{
	struct grant *others = NULL;

	for (uint32_t i = 0; i < GRANTS_MAX; i++) {
		struct grant *it = &g->list[i];

		if (grant_is(it, ref) && it->account == account)
			return it;
		if (grant_is(it, ref) && account->uid == 0)
			others = it;
	}
	return others;
}

bool grant_label_taken(const struct grants *g, const char label[RSSB_LABEL_MAX],
		       const struct account *account)
{
	for (uint32_t i = 0; label[0] && i < GRANTS_MAX; i++) {
		const struct grant *it = &g->list[i];

		if (it->id && it->account == account &&
		    !memcmp(it->label, label, sizeof(it->label)))
			return true;
	}
	return false;
}

void grant_end(struct grants *g, struct grant *grant)
{
	grant_maps_done(&grant->hold);
	grant->id = 0;
	grant->next_free = g->first_free;
	g->first_free = grant_index(g, grant);
}
