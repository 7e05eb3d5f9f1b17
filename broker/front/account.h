/* SPDX-License-Identifier: MIT */
/*
 * An account is who pays for connections (session.h), requests and grants (grant.h): a
 * uid and, where an LSM gives one, a security label, so that VMs that share a uid
 * (libvirt's, pods) do not share an account.
 *
 * An account has three budgets.
 *   tokens       All that it does has a price (enum price); tokens come back at a rate.
 *   connections  and live grants: places in tables.
 *   bytes        The kernel memory of its live grants, and of what it may have kept: grants
 *                that ended and copies of objects, which are forgotten slowly.
 * Of places and bytes a uid may hold one part in limits.share of what is left, so there is
 * always something left for the next one; one of several labels of a uid may hold as much
 * as is left to that uid.  Root is exempt from tokens and shares, not from what there is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/common/log.h"
#include "broker/common/token_bucket.h"
#include "broker/front/limits.h"
#include "broker/front/policy.h"
#include "proto/codec.h"

#define ACCOUNTS_MAX 4700 /* more than there can be sessions and grants: one may always go */

/* Lines of one kind, which are logged now and then. */
struct repeats {
	uint64_t logged_ms; /* 0: never */
	unsigned n;	    /* since then */
};

struct account {
	bool used;
	uid_t uid;
	unsigned n_sessions, n_grants;
	uint64_t live_bytes;	    /* of live grants */
	struct token_bucket tokens; /* spent */
	struct token_bucket ended;  /* KiB of what it may have kept, not forgotten yet */
	uint64_t fault_turn;	    /* the turn in which it was charged for a fault last */
	struct log_share log;
	struct repeats refusals[RSSB_COUNTERS]; /* by enum rssb_status; RSSB_OK: charges */
	char label[PEER_LABEL_MAX];		/* empty: none */
	char shown[PEER_LABEL_MAX];		/* the label as the log may say it, "-": none */
};

struct accounts {
	struct limits limits;
	uint64_t turn; /* of the loop */
	unsigned n_sessions, n_grants;
	struct account list[ACCOUNTS_MAX];
};

/* The account of uid and label, made if need be.  NULL: each has a session or a grant. */
struct account *account_get(struct accounts *a, uid_t uid, const char *label, uint64_t now_ms);

/*
 * The functions below that refuse return 0, or -EINVAL with *why: which budget, how much
 * of it is used, when to come back.
 */

/* Pays a price.  Nothing is paid where it is refused. */
int account_pay(const struct accounts *a, struct account *account, unsigned price, uint64_t now_ms,
		struct rssb_refusal *why);

/* The price of a request. */
unsigned account_price(unsigned op);

/* Has an account pay for a fault, be the tokens there or not; once a turn. */
void account_pay_fault(const struct accounts *a, struct account *account, enum price price,
		       uint64_t now_ms);

/* Whether an account may have one more connection, or one more grant. */
int account_may_connect(const struct accounts *a, const struct account *account,
			struct rssb_refusal *why);
int account_may_acquire(const struct accounts *a, const struct account *account,
			struct rssb_refusal *why);

/* Whether it may hold so many bytes more, of those that are left. */
int account_may_hold(const struct accounts *a, const struct account *account, uint64_t bytes,
		     uint64_t left, uint64_t now_ms, struct rssb_refusal *why);

/* The bytes of all accounts. */
uint64_t accounts_bytes(const struct accounts *a, uint64_t now_ms);

/* How many tokens it has spent of late: who spent fewer is served first. */
unsigned account_recent(const struct accounts *a, const struct account *account, uint64_t now_ms);

/* Whether these are so many that it leaves what is scarce to others. */
bool account_had_many(const struct accounts *a, const struct account *account, uint64_t now_ms);

void account_add_session(struct accounts *a, struct account *account);
void account_remove_session(struct accounts *a, struct account *account);
void account_add_grant(struct accounts *a, struct account *account, uint64_t bytes);
void account_remove_grant(struct accounts *a, struct account *account, uint64_t bytes,
			  uint64_t now_ms);

/* Charges what an account may keep: a grant that ended, a copy of an object. */
void account_add_ended(const struct accounts *a, struct account *account, uint64_t bytes,
		       uint64_t now_ms);

/*
 * Whether something is worth a line: the first of its kind, or the first for a
 * while.  Then *ret_repeated is how many came since the last line.
 */
bool repeats_are_news(struct repeats *r, uint64_t now_ms, unsigned *ret_repeated);
