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
	accounts.turn = 1;
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
	assert_string_equal(labelled->shown, "svirt:c1");
	assert_string_equal(alice->shown, "-");
	assert_string_equal(connected(1000, "a\nb \"\x7f\xc3")->shown, "a?b????");
}

#define MIB (1ull << 20)
#define SET (64ull << 10) /* bytes of a set of rss */

/* Fills the table; every account but the two of setup() has a grant.  Returns the last. */
static struct account *fill_table(void)
{
	struct account *last = NULL;

	for (uid_t uid = 5000; uid < 5000 + ACCOUNTS_MAX - 2; uid++) {
		last = account_get(&accounts, uid, "", 0);
		assert_non_null(last);
		account_add_grant(&accounts, last, SET);
	}
	return last;
}

/* An account that has something makes no room; one that had something does, if there is no other.
 */
static void accounts_make_room(void **state)
{
	struct account *last = fill_table(), *fresh;

	assert_null(account_get(&accounts, 1, "", 0));
	account_remove_grant(&accounts, last, SET, 0);
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

	account_add_grant(&accounts, last, SET);
	account_remove_grant(&accounts, last, SET, 0);
	account_remove_grant(&accounts, last, SET, 0);
	account_remove_grant(&accounts, before, SET, 0);
	assert_ptr_equal(account_get(&accounts, 1, "", 1), before);
}

/* Whoever owes tokens is remembered while others can be forgotten. */
static void a_debt_keeps_an_account(void **state)
{
	struct account *other = account_get(&accounts, 7, "", 0);

	account_pay_fault(&accounts, other, PRICE_FD, 0);
	for (uid_t uid = 2000; uid < 2000 + ACCOUNTS_MAX; uid++)
		assert_ptr_not_equal(account_get(&accounts, uid, "", 4999), other);
	assert_ptr_equal(account_get(&accounts, 7, "", 4999), other);
	assert_int_equal(account_recent(&accounts, other, 4999), 1);
}

/* Who has nothing now is not forgotten while there is another place: it would begin anew. */
static void what_was_spent_outlives_a_connection(void **state)
{
	struct account *spent = account_get(&accounts, 7, "", 0), *kept;

	ALLOWED(account_pay(&accounts, spent, PRICE_SET, 0, &why));
	assert_ptr_not_equal(account_get(&accounts, 8, "", 0), spent);
	kept = account_get(&accounts, 9, "", 0);
	account_add_ended(&accounts, kept, MIB, 0);
	assert_ptr_not_equal(account_get(&accounts, 10, "", 0), kept);
	assert_int_equal(account_recent(&accounts, account_get(&accounts, 7, "", 0), 0), PRICE_SET);
	assert_int_equal(accounts_bytes(&accounts, 0), MIB);
}

/* --- tokens --------------------------------------------------------------------- */

static void tokens(void **state)
{
	const uint64_t now = 1000000;

	for (unsigned i = 0; i < defaults.tokens / PRICE_SET; i++)
		ALLOWED(account_pay(&accounts, alice, PRICE_SET, now, &why));
	REFUSED(account_pay(&accounts, alice, PRICE_SET, now, &why),
		"your account has too few tokens: it gets 1000 a second; come back in 20 ms", 20);
	REFUSED(account_pay(&accounts, alice, PRICE_REQUEST, now, &why),
		"your account has too few tokens", 1);
	REFUSED(account_pay(&accounts, alice, PRICE_SET, now + 19, &why),
		"your account has too few tokens", 1);
	ALLOWED(account_pay(&accounts, alice, PRICE_SET, now + 20, &why));
	REFUSED(account_pay(&accounts, alice, PRICE_SET, now + 20, &why),
		"your account has too few tokens", 20);
	ALLOWED(account_pay(&accounts, connected(1001, ""), PRICE_SET, now, &why));
	for (unsigned i = 0; i < defaults.tokens; i++)
		ALLOWED(account_pay(&accounts, root, PRICE_SET, now, &why));
}

/* What costs more than there can ever be is paid when all tokens are there. */
static void few_tokens(void **state)
{
	accounts.limits.tokens = 3;
	ALLOWED(account_pay(&accounts, alice, PRICE_SET, 0, &why));
	REFUSED(account_pay(&accounts, alice, PRICE_SET, 0, &why),
		"your account has too few tokens", PRICE_SET);
	ALLOWED(account_pay(&accounts, alice, PRICE_SET, PRICE_SET, &why));
}

static void prices(void **state)
{
	assert_int_equal(account_price(RSSB_OP_ACQUIRE), PRICE_SET);
	assert_int_equal(account_price(RSSB_OP_EXPORT), PRICE_SET);
	assert_int_equal(account_price(RSSB_OP_STATS), PRICE_STATS);
	assert_int_equal(account_price(RSSB_OP_RELEASE), PRICE_REQUEST);
	assert_int_equal(account_price(0), PRICE_REQUEST);
}

/* A rate is what it says, also where a token takes no whole number of milliseconds. */
static void rate_is_exact(void **state)
{
	static const unsigned rates[] = { 1, 50, 300, 600, 999, 1000, 2500 };

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct rssb_refusal why;
		unsigned n = 0;

		accounts.limits.token_rate = rates[i];
		accounts.limits.tokens = 16;
		alice->tokens = (struct token_bucket){ 0 };
		for (uint64_t now = 0; now < 10000; now++)
			while (!account_pay(&accounts, alice, 1, now, &why))
				n++;
		assert_in_range(n, rates[i] * 10 + 12, rates[i] * 10 + 26);
	}
}

static void faults(void **state)
{
	static const struct {
		enum price price;
		const char *words;
	} rows[] = { { PRICE_MALFORMED, "pays 1000 tokens for a malformed request" },
		     { PRICE_LATE, "pays 2000 tokens for a timeout" },
		     { PRICE_FD, "pays 5000 tokens for an fd it sent" } };
	struct capture said;

	for (size_t i = 0; i < 3; i++) {
		uint64_t now = 1000000 * (i + 1);

		accounts.turn++;
		capture_begin(&said, STDERR_FILENO);
		account_pay_fault(&accounts, alice, rows[i].price, now);
		capture_end(&said);
		assert_non_null(strstr(said.text, "uid=1000 label=- "));
		assert_non_null(strstr(said.text, rows[i].words));
		assert_int_equal(account_recent(&accounts, alice, now), rows[i].price);
	}
	account_pay_fault(&accounts, root, PRICE_FD, 0);
	assert_int_equal(account_recent(&accounts, root, 0), 0);
}

/* Connections that are late in the same turn of the loop are late once; lines have a rate. */
static void one_charge_a_turn(void **state)
{
	struct capture said;

	capture_begin(&said, STDERR_FILENO);
	for (unsigned i = 0; i < 100; i++)
		account_pay_fault(&accounts, alice, PRICE_LATE, 5);
	assert_int_equal(account_recent(&accounts, alice, 5), PRICE_LATE);
	for (unsigned i = 1; i < 100; i++, accounts.turn++)
		account_pay_fault(&accounts, alice, PRICE_LATE, 5);
	capture_end(&said);
	assert_int_equal(account_recent(&accounts, alice, 5), 99 * PRICE_LATE);
	assert_ptr_equal(strchr(said.text, '\n'), said.text + strlen(said.text) - 1);
	REFUSED(account_pay(&accounts, alice, 1, 5, &why), "your account has too few tokens",
		99 * PRICE_LATE - defaults.tokens + 1);
}

static void who_spent_much(void **state)
{
	struct rssb_refusal why;

	for (unsigned i = 0; i < 16; i++) {
		assert_false(account_had_many(&accounts, alice, 0));
		assert_int_equal(account_pay(&accounts, alice, PRICE_SET, 0, &why), 0);
	}
	assert_true(account_had_many(&accounts, alice, 0));
	assert_false(account_had_many(&accounts, alice, 1));
}

/* --- places ----------------------------------------------------------------------- */

/* A quarter of all is the most of one uid: then it has as much as a third of what is left. */
static void connections(void **state)
{
	struct account *other = account_get(&accounts, 1001, "", 0);

	account_remove_session(&accounts, root);
	for (unsigned i = 1; i < 128; i++) {
		ALLOWED(account_may_connect(&accounts, alice, &why));
		account_add_session(&accounts, alice);
	}
	REFUSED(account_may_connect(&accounts, alice, &why),
		"connections of your account: 128 of 128 in use", 0);
	for (unsigned i = 0; i < 96; i++) {
		ALLOWED(account_may_connect(&accounts, other, &why));
		account_add_session(&accounts, other);
	}
	REFUSED(account_may_connect(&accounts, other, &why),
		"connections of your account: 96 of 96 in use", 0);
	while (accounts.n_sessions < 512) {
		ALLOWED(account_may_connect(&accounts, root, &why));
		account_add_session(&accounts, root);
	}
	REFUSED(account_may_connect(&accounts, root, &why), "connections in all: 512 of 512 in use",
		0);
}

/* However many uids somebody has: each leaves the next one something. */
static void uids_one_after_the_other(void **state)
{
	for (uid_t uid = 5000; uid < 5010; uid++) {
		struct account *it = account_get(&accounts, uid, "", 0);
		struct rssb_refusal why;

		while (!account_may_acquire(&accounts, it, &why))
			account_add_grant(&accounts, it, SET);
		assert_true(it->n_grants > 0);
	}
	ALLOWED(account_may_acquire(&accounts, alice, &why));
	assert_in_range(accounts.n_grants, 4096 * 9 / 10, 4096 - 100);
}

/* An LSM may let a process choose its label: with many it is still one uid. */
static void labels_of_a_uid(void **state)
{
	struct account *mine = NULL, *first = connected(2000, "c0");
	char label[16];

	account_remove_session(&accounts, first);
	while (!account_may_acquire(&accounts, first, &(struct rssb_refusal){ 0 }))
		account_add_grant(&accounts, first, SET);
	assert_int_equal(first->n_grants, 585); /* as many as are left to others of the uid */
	REFUSED(account_may_acquire(&accounts, first, &why),
		"live grants of your account: 585 of 585 in use", 0);
	for (unsigned i = 1; i < 100; i++) {
		snprintf(label, sizeof(label), "c%u", i);
		mine = account_get(&accounts, 2000, label, 0);
		while (!account_may_acquire(&accounts, mine, &(struct rssb_refusal){ 0 }))
			account_add_grant(&accounts, mine, SET);
	}
	assert_int_equal(accounts.n_grants, 1024);
	mine = account_get(&accounts, 2000, "fresh", 0);
	REFUSED(account_may_acquire(&accounts, mine, &why),
		"live grants of your uid: 1024 of 1024 in use", 0);
	ALLOWED(account_may_acquire(&accounts, alice, &why));
}

static void grants_in_all(void **state)
{
	while (accounts.n_grants < 4096) {
		ALLOWED(account_may_acquire(&accounts, root, &why));
		account_add_grant(&accounts, root, SET);
	}
	REFUSED(account_may_acquire(&accounts, root, &why),
		"live grants in all: 4096 of 4096 in use", 0);
}

/* --- bytes --------------------------------------------------------------------------- */

/* One uid without labels has the 500 interfaces of a large host, with the unit's limit. */
static void five_hundred_interfaces(void **state)
{
	uint64_t left = 256 * MIB / 4 * 3 - 8 * MIB; /* what broker and pool take */

	for (unsigned i = 0; i < 500; i++, left -= SET) {
		ALLOWED(account_pay(&accounts, alice, PRICE_CONNECTION, 0, &why));
		ALLOWED(account_pay(&accounts, alice, PRICE_SET, 0, &why));
		ALLOWED(account_may_acquire(&accounts, alice, &why));
		ALLOWED(account_may_hold(&accounts, alice, SET, left, 0, &why));
		account_add_grant(&accounts, alice, SET);
	}
}

/* Sets that weigh more are fewer: one account leaves the others theirs. */
static void fault_65_heavy_sets(void **state)
{
	const uint64_t heavy = 1700 << 10, all = 768 * MIB;
	struct account *other = connected(1001, "");
	unsigned n = 0;

	while (!account_may_hold(&accounts, alice, heavy, all - n * heavy, 0,
				 &(struct rssb_refusal){ 0 })) {
		account_add_grant(&accounts, alice, heavy);
		n++;
	}
	assert_in_range(n * heavy, 190 * MIB, 192 * MIB);
	ALLOWED(account_may_hold(&accounts, other, 100 * MIB, all - n * heavy, 0, &why));
	ALLOWED(account_may_hold(&accounts, root, 500 * MIB, all - n * heavy, 0, &why));
}

/* What has ended may have been kept: it counts until it is forgotten, a set a minute. */
static void ended_bytes(void **state)
{
	const uint64_t left = 3 * MIB;

	for (unsigned i = 0; i < 16; i++) {
		ALLOWED(account_may_hold(&accounts, alice, SET, left, 0, &why));
		account_add_grant(&accounts, alice, SET);
		account_remove_grant(&accounts, alice, SET, 0);
	}
	assert_int_equal(alice->live_bytes, 0);
	assert_int_equal(accounts_bytes(&accounts, 0), MIB);
	REFUSED(account_may_hold(&accounts, alice, SET, left, 0, &why),
		"KiB of kernel memory of your account: 1024 of 1024 in use", 60000);
	REFUSED(account_may_hold(&accounts, alice, SET, left, 59000, &why),
		"KiB of kernel memory of your account: 962 of 1024 in use", 60000);
	ALLOWED(account_may_hold(&accounts, alice, SET, left, 60000, &why));
	account_add_ended(&accounts, alice, 1, 60000);
	REFUSED(account_may_hold(&accounts, alice, SET, left, 60000, &why), "KiB of kernel", 60000);
	ALLOWED(account_may_hold(&accounts, connected(1001, ""), SET, left, 0, &why));
	for (unsigned i = 0; i < 100; i++) /* as many as it likes */
		account_add_ended(&accounts, root, MIB, 0);
	ALLOWED(account_may_hold(&accounts, root, MIB, left, 0, &why));
}

/* Each kind once in a while, however they take turns. */
static void refusals_are_news_once(void **state)
{
	unsigned repeated = 99, n_news = 0;

	assert_true(repeats_are_news(&alice->refusals[RSSB_LIMIT], 5, &repeated));
	assert_int_equal(repeated, 0);
	for (uint64_t ms = 6; ms < 10005; ms++)
		n_news += repeats_are_news(&alice->refusals[ms % 2 ? RSSB_LIMIT : RSSB_NO_GRANT],
					   ms, &repeated);
	assert_int_equal(n_news, 1); /* the first of the other kind */
	assert_true(repeats_are_news(&alice->refusals[RSSB_LIMIT], 10005, &repeated));
	assert_int_equal(repeated, 4999);
	assert_true(repeats_are_news(&root->refusals[RSSB_LIMIT], 10006, &repeated));
	assert_int_equal(repeated, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(identity, setup),
		cmocka_unit_test_setup(accounts_make_room, setup),
		cmocka_unit_test_setup(who_kept_most_is_remembered_longest, setup),
		cmocka_unit_test_setup(a_debt_keeps_an_account, setup),
		cmocka_unit_test_setup(what_was_spent_outlives_a_connection, setup),
		cmocka_unit_test_setup(tokens, setup),
		cmocka_unit_test_setup(few_tokens, setup),
		cmocka_unit_test_setup(prices, setup),
		cmocka_unit_test_setup(rate_is_exact, setup),
		cmocka_unit_test_setup(faults, setup),
		cmocka_unit_test_setup(one_charge_a_turn, setup),
		cmocka_unit_test_setup(who_spent_much, setup),
		cmocka_unit_test_setup(connections, setup),
		cmocka_unit_test_setup(uids_one_after_the_other, setup),
		cmocka_unit_test_setup(labels_of_a_uid, setup),
		cmocka_unit_test_setup(grants_in_all, setup),
		cmocka_unit_test_setup(five_hundred_interfaces, setup),
		cmocka_unit_test_setup(fault_65_heavy_sets, setup),
		cmocka_unit_test_setup(ended_bytes, setup),
		cmocka_unit_test_setup(refusals_are_news_once, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
