/* SPDX-License-Identifier: MIT */
/*
 * Accounts: what each client costs.  An account is a uid and, where an LSM gives
 * one, a security label: VMs that share a uid (libvirt's, pods) do not share it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bucket.h"
#include "codec.h"
#include "limits.h"
#include "policy.h"

#define ACCOUNTS_MAX 2600 /* more than there can be sessions and grants: one may always go */

struct account {
	bool used;
	uid_t uid;
	char label[PEER_LABEL_MAX]; /* empty: none */
	char shown[PEER_LABEL_MAX]; /* the label as the log may say it, "-": none */
	unsigned n_sessions, n_grants;
	struct bucket rate;  /* of ACQUIREs */
	struct bucket ended; /* grants that ended, not forgotten yet */
	uint64_t penalty_until_ms;
	unsigned last_refusal; /* enum rssb_status that was last logged */
	unsigned n_repeated;   /* how often it came since, without a log line */
	uint64_t refusal_logged_ms;
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

/* Charges and discharges. */
void account_add_session(struct accounts *a, struct account *account);
void account_remove_session(struct accounts *a, struct account *account);
void account_add_grant(struct accounts *a, struct account *account, uint64_t now_ms);
void account_remove_grant(struct accounts *a, struct account *account, uint64_t now_ms);
void account_add_export(struct accounts *a, struct account *account, uint64_t now_ms);

/* Lets an account wait for what it did. */
void account_punish(const struct accounts *a, struct account *account, enum account_fault fault,
		    uint64_t now_ms);
