/* SPDX-License-Identifier: MIT */
/* Accounts and limits on a clock that the test turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/front/account.h"
#include "tests/unit/capture.h"

static struct accounts accounts;
static struct account *alice, *root;
static const struct limits defaults = LIMITS_DEFAULT;

/* An account with a connection: one with nothing makes room for the next. */
static struct account *connected(uid_t uid, const char *label)
{
	struct account *account = account_get(&accounts, uid, label, 0);

	if (account)
		account_add_session(&accounts, account);
	return account;
}

static int setup(void **state)
{
	memset(&accounts, 0, sizeof(accounts));
	accounts.limits = defaults;
	alice = connected(1000, "");
	root = connected(0, "");
	return alice && root ? 0 : -1;
}

/* Whether it is refused, with these words at the beginning and this time to wait. */
#define REFUSED(call, words, wait_ms)                                                              \
	do {                                                                                       \
		struct rssb_refusal why = { 0 };                                                   \
		assert_int_equal(call, -EINVAL);                                                   \
		assert_int_equal(why.status, RSSB_LIMIT);                                          \
		assert_memory_equal(why.reason, words, strlen(words));                             \
		assert_int_equal(why.retry_ms, wait_ms);                                           \
	} while (0)
#define ALLOWED(call)                                                                              \
	do {                                                                                       \
		struct rssb_refusal why = { 0 };                                                   \
		assert_int_equal(call, 0);                                                         \
		assert_int_equal(why.status, RSSB_OK);                                             \
	} while (0)

/* --- who is who ---------------------------------------------------------------- */

static void identity(void **state)
{
	struct account *labelled = connected(1000, "svirt:c1");

	assert_ptr_equal(account_get(&accounts, 1000, "", 0), alice);
	assert_ptr_not_equal(labelled, alice);
	assert_ptr_equal(account_get(&accounts, 1000, "svirt:c1", 0), labelled);
	assert_ptr_not_equal(account_get(&accounts, 1000, "svirt:c2", 0), labelled);
	assert_ptr_not_equal(account_get(&accounts, 1001, "svirt:c1", 0), labelled);
}

/* Fills the table; every account but the two of setup() has a grant.  Returns the last. */
static struct account *fill_table(void)
{
	struct account *last = NULL;

	for (uid_t uid = 5000; uid < 5000 + ACCOUNTS_MAX - 2; uid++) {
		last = account_get(&accounts, uid, "", 0);
		assert_non_null(last);
		account_add_grant(&accounts, last, 0);
	}
	return last;
}

/* An account that has something makes no room; one that had something does, if there is no other.
 */
static void accounts_make_room(void **state)
{
	struct account *last = fill_table(), *fresh;

	assert_null(account_get(&accounts, 1, "", 0));
	account_remove_grant(&accounts, last, 0);
	fresh = account_get(&accounts, 1, "", 0);
	assert_ptr_equal(fresh, last);
	assert_int_equal(fresh->uid, 1);
	assert_int_equal(fresh->n_grants, 0);
	assert_true(token_bucket_is_full(&fresh->ended, 0));
}

/* Of those that may go the one goes that kept least. */
static void who_kept_most_is_remembered_longest(void **state)
{
	struct account *last = fill_table(), *before = last - 1;

	account_add_grant(&accounts, last, 0);
	account_remove_grant(&accounts, last, 0);
	account_remove_grant(&accounts, last, 0);
	account_remove_grant(&accounts, before, 0);
	assert_ptr_equal(account_get(&accounts, 1, "", 1), before);
}

static void a_penalty_keeps_an_account(void **state)
{
	struct account *other = account_get(&accounts, 7, "", 0);

	account_punish(&accounts, other, FAULT_TIMEOUT, 0);
	for (uid_t uid = 2000; uid < 2000 + ACCOUNTS_MAX; uid++) {
		struct account *it = account_get(&accounts, uid, "", 9999);

		assert_ptr_not_equal(it, other);
	}
	assert_ptr_equal(account_get(&accounts, 7, "", 9999), other);
	assert_true(other->penalty_until_ms == 10000);
}

/* --- counts ----------------------------------------------------------------------- */

static void connections(void **state)
{
	for (unsigned i = 1; i < 16; i++) {
		ALLOWED(account_may_connect(&accounts, alice, 0, &why));
		account_add_session(&accounts, alice);
	}
	REFUSED(account_may_connect(&accounts, alice, 0, &why),
		"connections of your account: 16 of 16 in use", 0);
	ALLOWED(account_may_request(&accounts, alice, 0, &why));
	while (accounts.n_sessions < 512) {
		ALLOWED(account_may_connect(&accounts, root, 0, &why));
		account_add_session(&accounts, root);
	}
	REFUSED(account_may_connect(&accounts, root, 0, &why),
		"connections in all: 512 of 512 in use", 0);
	account_remove_session(&accounts, alice);
	ALLOWED(account_may_connect(&accounts, alice, 0, &why));
}

/* An LSM may let a process choose its label: with many it is still one uid. */
static void connections_of_a_uid(void **state)
{
	struct account *mine = alice;
	char label[16];

	for (unsigned i = 1; i < 256; i++) {
		snprintf(label, sizeof(label), "c%u", i / 16);
		mine = account_get(&accounts, 1000, label, 0);
		ALLOWED(account_may_connect(&accounts, mine, 0, &why));
		account_add_session(&accounts, mine);
	}
	mine = account_get(&accounts, 1000, "c16", 0);
	REFUSED(account_may_connect(&accounts, mine, 0, &why),
		"connections of your uid: 256 of 256 in use", 0);
	ALLOWED(account_may_connect(&accounts, account_get(&accounts, 1001, "", 0), 0, &why));
	ALLOWED(account_may_connect(&accounts, root, 0, &why));
}

static void grants(void **state)
{
	for (unsigned i = 0; i < 64; i++) {
		ALLOWED(account_may_acquire(&accounts, alice, 0, &why));
		account_add_grant(&accounts, alice, 0);
	}
	REFUSED(account_may_acquire(&accounts, alice, 0, &why),
		"live grants of your account: 64 of 64 in use", 0);
	account_remove_grant(&accounts, alice, 0);
	ALLOWED(account_may_acquire(&accounts, alice, 0, &why));
	while (accounts.n_grants < 2048) {
		ALLOWED(account_may_acquire(&accounts, root, 0, &why));
		account_add_grant(&accounts, root, 0);
	}
	REFUSED(account_may_acquire(&accounts, root, 0, &why),
		"live grants in all: 2048 of 2048 in use", 0);
}

/* Many labels of one uid: together they have what the uid may have. */
static void grants_of_a_uid(void **state)
{
	struct account *other = connected(1001, ""), *mine = NULL;
	char label[16];

	for (unsigned i = 0; i < 1024; i++) {
		snprintf(label, sizeof(label), "c%u", i / 64);
		mine = account_get(&accounts, 1000, label, 0);
		ALLOWED(account_may_acquire(&accounts, mine, 0, &why));
		account_add_grant(&accounts, mine, 0);
	}
	mine = connected(1000, "fresh");
	REFUSED(account_may_acquire(&accounts, mine, 0, &why),
		"live grants of your uid: 1024 of 1024 in use", 0);
	ALLOWED(account_may_acquire(&accounts, other, 0, &why));
}

/* --- budgets that time gives back ---------------------------------------------------- */

static void take(struct account *account, uint64_t now_ms)
{
	account_add_grant(&accounts, account, now_ms);
	account_remove_grant(&accounts, account, now_ms);
}

static void rate(void **state)
{
	const uint64_t now = 1000000;

	for (unsigned i = 0; i < 256; i++) {
		ALLOWED(account_may_acquire(&accounts, alice, now, &why));
		take(alice, now);
	}
	REFUSED(account_may_acquire(&accounts, alice, now, &why),
		"grants a second of your account: 256 at once, then 50; come back in 20 ms", 20);
	REFUSED(account_may_acquire(&accounts, alice, now + 19, &why), "grants a second", 1);
	ALLOWED(account_may_acquire(&accounts, alice, now + 20, &why));
	take(alice, now + 20);
	REFUSED(account_may_acquire(&accounts, alice, now + 20, &why), "grants a second", 20);
	ALLOWED(account_may_acquire(&accounts, root, now, &why));
}

/* A rate is what it says, also where a token takes no whole number of milliseconds. */
static void rate_is_exact(void **state)
{
	static const unsigned rates[] = { 1, 50, 300, 600, 999, 1000 };

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		unsigned n = 0;

		accounts.limits.rate = rates[i];
		accounts.limits.rate_burst = 16;
		alice->rate = (struct token_bucket){ 0 };
		for (uint64_t now = 0; now < 10000; now++) {
			struct rssb_refusal why = { 0 };

			while (!account_may_acquire(&accounts, alice, now, &why)) {
				account_add_grant(&accounts, alice, now);
				account_remove_grant(&accounts, root, now); /* keeps the counts */
				alice->n_grants = root->n_grants = 0;
				n++;
			}
		}
		assert_in_range(n, rates[i] * 10 + 14, rates[i] * 10 + 26);
	}
}

static void ended_grants(void **state)
{
	uint64_t now = 0;

	for (unsigned i = 0; i < 1024; i++, now += 20)
		take(alice, now);
	now += 256 * 20; /* so that the rate says nothing */
	REFUSED(account_may_acquire(&accounts, alice, now, &why),
		"ended grants of your account: 1024 of 1024 used; come back in ", 60000 - now);
	ALLOWED(account_may_acquire(&accounts, alice, 60000, &why));
	for (unsigned i = 0; i < 5000; i++) /* as many as it likes */
		take(root, 0);
	ALLOWED(account_may_acquire(&accounts, root, 0, &why));
}

/* --- penalties ---------------------------------------------------------------------------- */

static void penalties(void **state)
{
	static const struct {
		enum account_fault fault;
		unsigned wait_s;
		const char *words;
	} rows[] = { { FAULT_MALFORMED, 1, "a malformed request" },
		     { FAULT_FD, 5, "an fd it sent" },
		     { FAULT_TIMEOUT, 10, "a timeout" } };
	struct capture said;
	char want[128];

	for (size_t i = 0; i < 3; i++) {
		uint64_t now = 1000000 * (i + 1);

		capture_begin(&said, STDERR_FILENO);
		account_punish(&accounts, alice, rows[i].fault, now);
		capture_end(&said);
		snprintf(want, sizeof(want), "uid=1000 label=- has to wait %u s for %s\n",
			 rows[i].wait_s, rows[i].words);
		assert_non_null(strstr(said.text, want));
		REFUSED(account_may_request(&accounts, alice, now, &why),
			"your account waits for a fault it made", rows[i].wait_s * 1000);
		REFUSED(account_may_connect(&accounts, alice, now + 1, &why), "your account waits",
			rows[i].wait_s * 1000 - 1);
		ALLOWED(account_may_request(&accounts, alice, now + rows[i].wait_s * 1000, &why));
	}
}

/* They add up to ten minutes, and are said once. */
static void penalties_add_up(void **state)
{
	struct account *other;
	struct capture said;

	capture_begin(&said, STDERR_FILENO);
	for (unsigned i = 0; i < 1000; i++)
		account_punish(&accounts, alice, FAULT_FD, 0);
	capture_end(&said);
	assert_ptr_equal(strchr(said.text, '\n'), said.text + strlen(said.text) - 1);
	REFUSED(account_may_request(&accounts, alice, 0, &why), "your account waits", 600000);
	account_punish(&accounts, root, FAULT_FD, 0);
	ALLOWED(account_may_request(&accounts, root, 0, &why));
	accounts.limits.penalty_fd_s = 0;
	other = connected(5, "");
	account_punish(&accounts, other, FAULT_FD, 0);
	ALLOWED(account_may_request(&accounts, other, 0, &why));
}

/* Each kind once in a while, however they take turns. */
static void refusals_are_news_once(void **state)
{
	unsigned repeated = 99, n_news = 0;

	assert_true(account_refusal_is_news(alice, RSSB_LIMIT, 5, &repeated));
	assert_int_equal(repeated, 0);
	for (uint64_t ms = 6; ms < 10005; ms++)
		n_news += account_refusal_is_news(alice, ms % 2 ? RSSB_LIMIT : RSSB_NO_GRANT, ms,
						  &repeated);
	assert_int_equal(n_news, 1); /* the first of the other kind */
	assert_true(account_refusal_is_news(alice, RSSB_LIMIT, 10005, &repeated));
	assert_int_equal(repeated, 4999);
	assert_true(account_refusal_is_news(root, RSSB_LIMIT, 10006, &repeated));
	assert_int_equal(repeated, 0);
}

/* Who goes while a set is made for it has used up a grant of its rate. */
static void a_desertion_has_a_price(void **state)
{
	for (unsigned i = 0; i < defaults.rate_burst; i++) {
		ALLOWED(account_may_acquire(&accounts, alice, 0, &why));
		assert_int_equal(account_had_many(&accounts, alice, 0), i >= 16);
		account_add_desertion(&accounts, alice, 0);
	}
	REFUSED(account_may_acquire(&accounts, alice, 0, &why), "grants a second", 20);
	assert_int_equal(account_recent(&accounts, alice, 0), defaults.rate_burst);
	account_add_desertion(&accounts, root, 0);
	assert_int_equal(account_recent(&accounts, root, 0), 0);
}

/* --- limits as options ------------------------------------------------------------------ */

static void limits_have_ranges(void **state)
{
	char text[24];

	for (const struct limit_row *row = limit_rows; row->name; row++) {
		struct limits l = defaults;
		unsigned was = limit_get(&l, row);

		assert_in_range(was, row->min, row->max); /* a default that could be given */
		snprintf(text, sizeof(text), "%llu", row->max + 1ull);
		assert_int_equal(limit_set(&l, row, text), -ERANGE);
		assert_int_equal(limit_set(&l, row, "x"), -ERANGE);
		assert_int_equal(limit_set(&l, row, ""), -ERANGE);
		assert_int_equal(limit_set(&l, row, "-1"), -ERANGE);
		assert_int_equal(limit_set(&l, row, "1s"), -ERANGE);
		assert_int_equal(limit_set(&l, row, "99999999999999999999"), -ERANGE);
		if (row->min)
			assert_int_equal(limit_set(&l, row, "0"), -ERANGE);
		assert_int_equal(limit_get(&l, row), was);
		snprintf(text, sizeof(text), "%u", row->max);
		assert_int_equal(limit_set(&l, row, text), 0);
		assert_int_equal(limit_get(&l, row), row->max);
		snprintf(text, sizeof(text), "%u", row->min);
		assert_int_equal(limit_set(&l, row, text), 0);
		assert_int_equal(limit_get(&l, row), row->min);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(identity, setup),
		cmocka_unit_test_setup(accounts_make_room, setup),
		cmocka_unit_test_setup(who_kept_most_is_remembered_longest, setup),
		cmocka_unit_test_setup(a_penalty_keeps_an_account, setup),
		cmocka_unit_test_setup(connections, setup),
		cmocka_unit_test_setup(connections_of_a_uid, setup),
		cmocka_unit_test_setup(grants, setup),
		cmocka_unit_test_setup(grants_of_a_uid, setup),
		cmocka_unit_test_setup(rate, setup),
		cmocka_unit_test_setup(rate_is_exact, setup),
		cmocka_unit_test_setup(ended_grants, setup),
		cmocka_unit_test_setup(penalties, setup),
		cmocka_unit_test_setup(penalties_add_up, setup),
		cmocka_unit_test_setup(refusals_are_news_once, setup),
		cmocka_unit_test_setup(a_desertion_has_a_price, setup),
		cmocka_unit_test(limits_have_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
