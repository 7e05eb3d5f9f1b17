/* SPDX-License-Identifier: MIT */
/* Accounts and their budgets.  Must never allocate, and never charge one for another. */
#include "broker/front/account.h"

#include <stdio.h>
#include <string.h>

#define MANY	  (16 * PRICE_SET) /* tokens spent of late: more than one client that starts */
#define REPEAT_MS 10000		   /* a line of one kind is logged once in this time */
#define KIB	  1024

static struct token_bucket_rule token_rule(const struct limits *l)
{
	return (struct token_bucket_rule){ l->tokens, 1000000 / l->token_rate };
}

/* This bucket counts KiB. account_may_hold() judges how many an account may hold. */
static struct token_bucket_rule ended_rule(const struct limits *l)
{
	return (struct token_bucket_rule){ 0, 60000000 / l->ended_kib };
}

/* Whether the account owes nothing: dropping it would lose no debt. */
static bool account_is_idle(const struct account *account, uint64_t now_ms)
{
	return !account->n_sessions && !account->n_grants &&
	       token_bucket_is_full(&account->tokens, now_ms) &&
	       token_bucket_is_full(&account->ended, now_ms) && log_share_is_idle(&account->log);
}

/* Whether no session and no grant points to the account. */
static bool account_may_go(const struct account *account)
{
	return !account->n_sessions && !account->n_grants;
}

/* Whether a owes less than b: first ended-grant memory, then tokens. */
static bool is_lighter(const struct account *a, const struct account *b)
{
	if (!b || a->ended.full_at_us != b->ended.full_at_us)
		return !b || a->ended.full_at_us < b->ended.full_at_us;
	return a->tokens.full_at_us < b->tokens.full_at_us;
}

/*
 * A process may choose its own label where an LSM lets it; the log must not take any other
 * character from it.
 */
static void label_show(char ret[PEER_LABEL_MAX], const char *label)
{
	size_t n = strnlen(label, PEER_LABEL_MAX - 1);

	for (size_t i = 0; i < n; i++)
		ret[i] = label[i] > ' ' && label[i] < 0x7f && label[i] != '"' ? label[i] : '?';
	memcpy(ret + n, n ? "" : "-", n ? 1 : 2);
}

struct account *account_get(struct accounts *a, uid_t uid, const char *label, uint64_t now_ms)
{
	struct account *spare = NULL, *light = NULL;

	for (size_t i = 0; i < ACCOUNTS_MAX; i++) {
		struct account *it = &a->list[i];

		if (it->used && it->uid == uid && !strcmp(it->label, label))
			return it;
		if (!spare && (!it->used || account_is_idle(it, now_ms)))
			spare = it;
		if (!it->used)
			break; /* those behind were never used */
		if (account_may_go(it) && is_lighter(it, light))
			light = it;
	}
	if (!spare)
		spare = light; /* else one user with many uids would keep all others out */
	if (!spare)
		return NULL;
	*spare = (struct account){ .used = true, .uid = uid };
	strncpy(spare->label, label, sizeof(spare->label) - 1);
	label_show(spare->shown, label);
	return spare;
}

static bool is_exempt(const struct account *account)
{
	return account->uid == 0;
}

/* --- tokens ------------------------------------------------------------------- */

static int refuse_wait(struct rssb_refusal *why, uint64_t wait_ms, const struct limits *l)
{
	why->retry_ms = wait_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)wait_ms;
	return rssb_refuse(
		why, RSSB_LIMIT,
		"your account has too few tokens: it gets %u a second; come back in %u ms",
		l->token_rate, why->retry_ms);
}

int account_pay(const struct accounts *a, struct account *account, unsigned price, uint64_t now_ms,
		struct rssb_refusal *why)
{
	const struct token_bucket_rule rule = token_rule(&a->limits);
	uint64_t wait_ms;

	if (is_exempt(account))
		return 0;
	wait_ms = token_bucket_wait_ms(&account->tokens, rule, price, now_ms);
	if (wait_ms)
		return refuse_wait(why, wait_ms, &a->limits);
	token_bucket_take(&account->tokens, rule, price, now_ms);
	return 0;
}

unsigned account_price(unsigned op)
{
	switch (op) {
	case RSSB_OP_ACQUIRE:
	case RSSB_OP_EXPORT:
		return PRICE_SET;
	case RSSB_OP_STATS:
		return PRICE_STATS;
	default:
		return PRICE_REQUEST;
	}
}

/* Several connections that are late, or broken, in one turn are one event of their client's. */
void account_pay_fault(const struct accounts *a, struct account *account, enum price price,
		       uint64_t now_ms)
{
	unsigned repeated;

	if (is_exempt(account) || account->fault_turn == a->turn)
		return;
	account->fault_turn = a->turn;
	token_bucket_take(&account->tokens, token_rule(&a->limits), price, now_ms);
	if (repeats_are_news(&account->refusals[RSSB_OK], now_ms, &repeated))
		log_line_of(&account->log, LOG_NOTICE,
			    "account uid=%u label=%s pays %u tokens for %s repeated=%u",
			    account->uid, account->shown, price,
			    price == PRICE_FD	  ? "an fd it sent"
			    : price == PRICE_LATE ? "a timeout"
						  : "a malformed request",
			    repeated);
}

unsigned account_recent(const struct accounts *a, const struct account *account, uint64_t now_ms)
{
	return (unsigned)token_bucket_used(&account->tokens, token_rule(&a->limits), now_ms);
}

bool account_had_many(const struct accounts *a, const struct account *account, uint64_t now_ms)
{
	return account_recent(a, account, now_ms) >= MANY;
}

/* --- places and bytes ---------------------------------------------------------- */

static int refuse_count(struct rssb_refusal *why, const char *what, const char *whose,
			uint64_t used, uint64_t limit)
{
	return rssb_refuse(why, RSSB_LIMIT,
			   "%s %s: %llu of %llu in use; free some, or come back later", what, whose,
			   (unsigned long long)used, (unsigned long long)limit);
}

struct usage {
	uint64_t sessions, grants, bytes;
};

static struct usage account_usage(const struct accounts *a, const struct account *account,
				  uint64_t now_ms)
{
	uint64_t kept = token_bucket_used(&account->ended, ended_rule(&a->limits), now_ms) * KIB;

	return (struct usage){ account->n_sessions, account->n_grants, account->live_bytes + kept };
}

/* Of all accounts of a uid: one that may choose its label has as many as it likes. */
static struct usage uid_usage(const struct accounts *a, uid_t uid, uint64_t now_ms)
{
	struct usage sum = { 0 };

	for (size_t i = 0; i < ACCOUNTS_MAX && a->list[i].used; i++) {
		struct usage u;

		if (a->list[i].uid != uid)
			continue;
		u = account_usage(a, &a->list[i], now_ms);
		sum.sessions += u.sessions;
		sum.grants += u.grants;
		sum.bytes += u.bytes;
	}
	return sum;
}

uint64_t accounts_bytes(const struct accounts *a, uint64_t now_ms)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < ACCOUNTS_MAX && a->list[i].used; i++)
		sum += account_usage(a, &a->list[i], now_ms).bytes;
	return sum;
}

/* The first condition is that of all labels of the uid, the second that of this one. */
static int check_share(const struct accounts *a, const struct account *account, const char *what,
		       uint64_t of_uid, uint64_t own, uint64_t more, uint64_t left,
		       struct rssb_refusal *why)
{
	uint64_t share = left / a->limits.share, rest;

	if (is_exempt(account))
		return 0;
	if (!of_uid && share < more && more <= left)
		share = more; /* a uid that holds nothing may have one of the last */
	rest = share > of_uid ? share - of_uid : 0;
	if (more > rest)
		return refuse_count(why, what,
				    account->label[0] ? "of your uid" : "of your account", of_uid,
				    share);
	if (account->label[0] && own + more > rest)
		return refuse_count(why, what, "of your account", own, rest);
	return 0;
}

int account_may_connect(const struct accounts *a, const struct account *account,
			struct rssb_refusal *why)
{
	unsigned all = a->limits.connections;

	if (a->n_sessions >= all)
		return refuse_count(why, "connections", "in all", a->n_sessions, all);
	return check_share(a, account, "connections", uid_usage(a, account->uid, 0).sessions,
			   account->n_sessions, 1, all - a->n_sessions, why);
}

int account_may_acquire(const struct accounts *a, const struct account *account,
			struct rssb_refusal *why)
{
	unsigned all = a->limits.grants;

	if (a->n_grants >= all)
		return refuse_count(why, "live grants", "in all", a->n_grants, all);
	return check_share(a, account, "live grants", uid_usage(a, account->uid, 0).grants,
			   account->n_grants, 1, all - a->n_grants, why);
}

static uint64_t kib(uint64_t bytes)
{
	return (bytes + KIB - 1) / KIB;
}

int account_may_hold(const struct accounts *a, const struct account *account, uint64_t bytes,
		     uint64_t left, uint64_t now_ms, struct rssb_refusal *why)
{
	uint64_t of_uid = uid_usage(a, account->uid, now_ms).bytes;
	uint64_t own = account_usage(a, account, now_ms).bytes;
	int err = check_share(a, account, "KiB of kernel memory", kib(of_uid), kib(own), kib(bytes),
			      left / KIB, why);

	if (err && !token_bucket_is_full(&account->ended, now_ms))
		why->retry_ms = (uint32_t)(kib(bytes) * ended_rule(&a->limits).token_us / 1000);
	return err;
}

void account_add_session(struct accounts *a, struct account *account)
{
	a->n_sessions++;
	account->n_sessions++;
}

void account_remove_session(struct accounts *a, struct account *account)
{
	a->n_sessions--;
	account->n_sessions--;
}

void account_add_grant(struct accounts *a, struct account *account, uint64_t bytes)
{
	a->n_grants++;
	account->n_grants++;
	account->live_bytes += bytes;
}

void account_remove_grant(struct accounts *a, struct account *account, uint64_t bytes,
			  uint64_t now_ms)
{
	a->n_grants--;
	account->n_grants--;
	account->live_bytes -= bytes;
	account_add_ended(a, account, bytes, now_ms);
}

void account_add_ended(const struct accounts *a, struct account *account, uint64_t bytes,
		       uint64_t now_ms)
{
	token_bucket_take(&account->ended, ended_rule(&a->limits), kib(bytes), now_ms);
}

/* --- the log --------------------------------------------------------------------- */

bool repeats_are_news(struct repeats *r, uint64_t now_ms, unsigned *ret_repeated)
{
	if (r->logged_ms && now_ms < r->logged_ms + REPEAT_MS) {
		r->n++;
		return false;
	}
	*ret_repeated = r->n;
	*r = (struct repeats){ .logged_ms = now_ms };
	return true;
}
