/* SPDX-License-Identifier: MIT */
/*
 * Accounts: what each client costs.  An account is a uid and, where an LSM gives
 * one, a security label: VMs that share a uid (libvirt's, pods) do not share it.
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

#define ACCOUNTS_MAX 2600 /* more than there can be sessions and grants: one may always go */

/* Refusals of one kind, which are logged now and then. */
struct refusals {
	uint64_t logged_ms; /* 0: never */
	unsigned n_repeated;
};

struct account {
	bool used;
	uid_t uid;
	char label[PEER_LABEL_MAX]; /* empty: none */
	char shown[PEER_LABEL_MAX]; /* the label as the log may say it, "-": none */
	unsigned n_sessions, n_grants;
	struct token_bucket rate;  /* of ACQUIREs */
	struct token_bucket ended; /* grants that ended, not forgotten yet */
	uint64_t penalty_until_ms;
	struct log_share log;
	struct refusals refusals[RSSB_COUNTERS]; /* by enum rssb_status */
};

struct accounts {
	struct limits limits;
	unsigned n_sessions, n_grants;
	struct account list[ACCOUNTS_MAX];
};

enum account_fault { FAULT_MALFORMED, FAULT_FD, FAULT_TIMEOUT };

/* The account of uid and label, made if need be.  NULL: each has a session or a grant. */
struct account *account_get(struct accounts *a, uid_t uid, const char *label, uint64_t now_ms);

/*
 * Whether an account may have one more connection, or make a request now, or
 * have one more grant.  0, or -EINVAL with *why: which limit, how much of it is
 * used, when to come back.  Root is exempt from all but the totals.
 */
int account_may_connect(const struct accounts *a, const struct account *account, uint64_t now_ms,
			struct rssb_refusal *why);
int account_may_request(const struct accounts *a, const struct account *account, uint64_t now_ms,
			struct rssb_refusal *why);
int account_may_acquire(const struct accounts *a, const struct account *account, uint64_t now_ms,
			struct rssb_refusal *why);

/*
 * Whether an account may have one more copy of an object.  It stays in the
 * broker's memory for as long as the client keeps it, so it counts like a grant
 * that has ended.
 */
int account_may_export(const struct accounts *a, const struct account *account, uint64_t now_ms,
		       struct rssb_refusal *why);

/* How many grants of late count against its rate: who had fewer is served first. */
unsigned account_recent(const struct accounts *a, const struct account *account, uint64_t now_ms);

/* Whether these are so many that it leaves what is scarce to others. */
bool account_had_many(const struct accounts *a, const struct account *account, uint64_t now_ms);

/* Charges and discharges.  A desertion: it went while a set was made for it. */
void account_add_session(struct accounts *a, struct account *account);
void account_remove_session(struct accounts *a, struct account *account);
void account_add_grant(struct accounts *a, struct account *account, uint64_t now_ms);
void account_remove_grant(struct accounts *a, struct account *account, uint64_t now_ms);
void account_add_export(struct accounts *a, struct account *account, uint64_t now_ms);
void account_add_desertion(struct accounts *a, struct account *account, uint64_t now_ms);

/*
 * Whether a refusal is worth a line: the first of its kind, or the first for a
 * while.  Then *ret_repeated is how many came since the last line.
 */
bool account_refusal_is_news(struct account *account, unsigned status, uint64_t now_ms,
			     unsigned *ret_repeated);

/* Lets an account wait for what it did. */
void account_punish(const struct accounts *a, struct account *account, enum account_fault fault,
		    uint64_t now_ms);
