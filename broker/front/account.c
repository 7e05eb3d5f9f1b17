/* SPDX-License-Identifier: MIT */
/* Accounts and their limits.  Must never allocate, and never charge one for another. */
#include "broker/front/account.h"

#include <stdio.h>
#include <string.h>

#define MANY		  16	/* grants of late: more than one client starts at once */
#define REFUSAL_REPEAT_MS 10000 /* the same refusal of an account is logged once in this time */

static struct token_bucket_rule rate_rule(const struct limits *l)
{
	return (struct token_bucket_rule){ l->rate_burst, 1000000 / l->rate };
}

static struct token_bucket_rule ended_rule(const struct limits *l)
{
	return (struct token_bucket_rule){ l->ended_grants, l->ended_refill_s * 1000000ull };
}

/* Nothing would be forgotten by forgetting it. */
static bool account_is_idle(const struct account *account, uint64_t now_ms)
{
	return !account->n_sessions && !account->n_grants &&
	       token_bucket_is_full(&account->rate, now_ms) &&
	       token_bucket_is_full(&account->ended, now_ms) &&
	       account->penalty_until_ms <= now_ms && log_share_is_idle(&account->log);
}

/* Nobody has its address: a session or a grant would. */
static bool account_may_go(const struct account *account)
{
	return !account->n_sessions && !account->n_grants;
}

/* Of two that may be forgotten the one with less to forgive: sets that were kept, then faults. */
static bool is_lighter(const struct account *a, const struct account *b)
{
	if (!b || a->ended.full_at_us != b->ended.full_at_us)
		return !b || a->ended.full_at_us < b->ended.full_at_us;
	return a->penalty_until_ms < b->penalty_until_ms;
}

/* Who may choose its own label (an LSM may let it) must not write into the log with it. */
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
		spare = light; /* else many uids of one user's keep all others out */
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

static int refuse_count(struct rssb_refusal *why, const char *what, unsigned used, unsigned limit)
{
	why->retry_ms = 0;
	return rssb_refuse(why, RSSB_LIMIT, "%s: %u of %u in use; release one, or come back", what,
			   used, limit);
}

static int refuse_wait(struct rssb_refusal *why, const char *what, uint64_t wait_ms)
{
	why->retry_ms = wait_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)wait_ms;
	return rssb_refuse(why, RSSB_LIMIT, "%s; come back in %u ms", what, why->retry_ms);
}

struct usage {
	unsigned sessions, grants;
};

/* Of all accounts of a uid: one that may choose its label has as many as it likes. */
static struct usage uid_usage(const struct accounts *a, uid_t uid)
{
	struct usage sum = { 0 };

	for (size_t i = 0; i < ACCOUNTS_MAX && a->list[i].used; i++) {
		if (a->list[i].uid != uid)
			continue;
		sum.sessions += a->list[i].n_sessions;
		sum.grants += a->list[i].n_grants;
	}
	return sum;
}

int account_may_connect(const struct accounts *a, const struct account *account, uint64_t now_ms,
			struct rssb_refusal *why)
{
	const struct limits *l = &a->limits;
	unsigned of_uid;

	if (a->n_sessions >= l->connections)
		return refuse_count(why, "connections in all", a->n_sessions, l->connections);
	if (is_exempt(account))
		return 0;
	if (account->n_sessions >= l->account_connections)
		return refuse_count(why, "connections of your account", account->n_sessions,
				    l->account_connections);
	of_uid = uid_usage(a, account->uid).sessions;
	if (of_uid >= l->uid_connections)
		return refuse_count(why, "connections of your uid", of_uid, l->uid_connections);
	return account_may_request(a, account, now_ms, why);
}

int account_may_request(const struct accounts *a, const struct account *account, uint64_t now_ms,
			struct rssb_refusal *why)
{
	if (account->penalty_until_ms > now_ms)
		return refuse_wait(why, "your account waits for a fault it made",
				   account->penalty_until_ms - now_ms);
	return 0;
}

/* What only time gives back. */
static int check_buckets(const struct limits *l, const struct account *account, uint64_t now_ms,
			 struct rssb_refusal *why)
{
	char what[96];
	uint64_t wait_ms;

	wait_ms = token_bucket_wait_ms(&account->rate, rate_rule(l), now_ms);
	if (wait_ms) {
		snprintf(what, sizeof(what), "grants a second of your account: %u at once, then %u",
			 l->rate_burst, l->rate);
		return refuse_wait(why, what, wait_ms);
	}
	wait_ms = token_bucket_wait_ms(&account->ended, ended_rule(l), now_ms);
	if (wait_ms) {
		snprintf(what, sizeof(what), "ended grants of your account: %u of %u used",
			 (unsigned)token_bucket_used(&account->ended, ended_rule(l), now_ms),
			 l->ended_grants);
		return refuse_wait(why, what, wait_ms);
	}
	return 0;
}

int account_may_acquire(const struct accounts *a, const struct account *account, uint64_t now_ms,
			struct rssb_refusal *why)
{
	const struct limits *l = &a->limits;
	unsigned of_uid;

	if (a->n_grants >= l->grants)
		return refuse_count(why, "live grants in all", a->n_grants, l->grants);
	if (is_exempt(account))
		return 0;
	if (account->n_grants >= l->account_grants)
		return refuse_count(why, "live grants of your account", account->n_grants,
				    l->account_grants);
	of_uid = uid_usage(a, account->uid).grants;
	if (of_uid >= l->uid_grants)
		return refuse_count(why, "live grants of your uid", of_uid, l->uid_grants);
	return check_buckets(l, account, now_ms, why);
}

int account_may_export(const struct accounts *a, const struct account *account, uint64_t now_ms,
		       struct rssb_refusal *why)
{
	return is_exempt(account) ? 0 : check_buckets(&a->limits, account, now_ms, why);
}

unsigned account_recent(const struct accounts *a, const struct account *account, uint64_t now_ms)
{
	return (unsigned)token_bucket_used(&account->rate, rate_rule(&a->limits), now_ms);
}

bool account_had_many(const struct accounts *a, const struct account *account, uint64_t now_ms)
{
	return account_recent(a, account, now_ms) >= MANY;
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

void account_add_grant(struct accounts *a, struct account *account, uint64_t now_ms)
{
	a->n_grants++;
	account->n_grants++;
	if (!is_exempt(account))
		token_bucket_take(&account->rate, rate_rule(&a->limits), now_ms);
}

void account_remove_grant(struct accounts *a, struct account *account, uint64_t now_ms)
{
	a->n_grants--;
	account->n_grants--;
	if (!is_exempt(account))
		token_bucket_take(&account->ended, ended_rule(&a->limits), now_ms);
}

void account_add_export(struct accounts *a, struct account *account, uint64_t now_ms)
{
	if (is_exempt(account))
		return;
	token_bucket_take(&account->rate, rate_rule(&a->limits), now_ms);
	token_bucket_take(&account->ended, ended_rule(&a->limits), now_ms);
}

void account_add_desertion(struct accounts *a, struct account *account, uint64_t now_ms)
{
	if (!is_exempt(account))
		token_bucket_take(&account->rate, rate_rule(&a->limits), now_ms);
}

bool account_refusal_is_news(struct account *account, unsigned status, uint64_t now_ms,
			     unsigned *ret_repeated)
{
	struct refusals *refusals = &account->refusals[status];

	if (refusals->logged_ms && now_ms < refusals->logged_ms + REFUSAL_REPEAT_MS) {
		refusals->n_repeated++;
		return false;
	}
	*ret_repeated = refusals->n_repeated;
	*refusals = (struct refusals){ .logged_ms = now_ms };
	return true;
}

void account_punish(const struct accounts *a, struct account *account, enum account_fault fault,
		    uint64_t now_ms)
{
	static const char *const names[] = { "a malformed request", "an fd it sent", "a timeout" };
	const struct limits *l = &a->limits;
	const unsigned seconds[] = { l->penalty_malformed_s, l->penalty_fd_s,
				     l->penalty_timeout_s };
	uint64_t most = now_ms + l->penalty_max_s * 1000ull;

	if (is_exempt(account) || !seconds[fault])
		return;
	if (account->penalty_until_ms <= now_ms) {
		account->penalty_until_ms = now_ms;
		log_line_of(&account->log, LOG_NOTICE,
			    "account uid=%u label=%s has to wait %u s for %s", account->uid,
			    account->shown, seconds[fault], names[fault]);
	}
	account->penalty_until_ms += seconds[fault] * 1000ull;
	if (account->penalty_until_ms > most)
		account->penalty_until_ms = most;
}
