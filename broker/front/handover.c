/* SPDX-License-Identifier: MIT */
/* The end of a handover, when its client has run.  Must never touch what the client holds. */
#include "broker/front/handover.h"

#include <stdio.h>

#include "broker/common/log.h"
#include "proto/util/fd.h"

#define OBJECT_SHOWN 6 /* bytes of its id */

/* Never the key; of the client's bytes the grant's label alone, which was checked. */
static void log_grant(const struct grant *grant, const struct object *object)
{
	struct account *account = grant->account;
	char id[2 * OBJECT_SHOWN + 1];

	rssb_hex_format(id, object->id, OBJECT_SHOWN);
	log_line_of(&account->log, LOG_INFO,
		    "ACQUIRE uid=%u label=%s pid=%d grant=%llu name=%.16s object=%s result=ok",
		    account->uid, account->shown, grant->pid, (unsigned long long)grant->id,
		    grant->label[0] ? grant->label : "-", id);
}

void handover_begin(struct handover *h, struct grant *grant, struct set *set)
{
	h->grant = grant;
	h->set = *set;
	*set = SET_INIT;
	fd_closep(&h->set.lease_read); /* from here on only the client has copies */
}

void handover_finish(struct handover *h, const struct objects *objects)
{
	struct grant *grant = h->grant;

	if (!grant)
		return;
	h->grant = NULL;
	if (grant->kind != RSSB_KIND_MANAGED)
		grant_maps_unmap_steering(&grant->maps);
	set_done(&h->set);
	log_grant(grant, &objects->list[grant->object]);
}
