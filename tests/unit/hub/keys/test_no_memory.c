/*
 * Keys are read and swapped with each allocation failing in turn: no request finds fewer keys than
 * before, and the next look makes up for it.
 */
#include "failing_calls.h"
#include "hub/keys/keyring.h"
#include "store/documents/documents.h"
#include "store_unit.h"
#include "tokens.h"

/* Has the length of SECRET. */
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static apr_pool_t *pool;
static struct mrc_keyset *start;
static struct mrc_documents *documents;
static struct mrc_keyring *keyring;
static struct mrc_key_row rows[2];
static const struct mrc_key_row *const row_list[] = {&rows[0], &rows[1]};

static void set_up(void)
{
    const struct mrc_document_spec spec = {"file", {SECRET, strlen(SECRET)}};
    const struct mrc_key_row row = {
        .issuer = ISSUER, .algs = MRC_ALG_SET_HMAC, .document = MRC_KEY_ROW_FIXED};

    pool = store_pool();
    start = keys_of(SECRET, MRC_ALG_SET_HMAC);
    rows[0] = rows[1] = row;
    rows[0].keys = rows[1].keys = start;
    rows[1].document = 0;
    rows[1].index = 1;
    ck_assert_int_eq(mrc_documents_create(pool, &spec, 1, NULL, &documents), APR_SUCCESS);
    ck_assert_int_eq(mrc_keyring_create(pool, row_list, 2, documents, &keyring), APR_SUCCESS);
}

static void tear_down(void)
{
    mrc_keyset_free(start);
}

static bool create(void)
{
    long left = fail_later();
    struct mrc_keyring *made;
    apr_status_t status;
    apr_pool_t *own;

    ck_assert_int_eq(apr_pool_create(&own, pool), APR_SUCCESS);
    fail_again(left);
    status = mrc_keyring_create(own, row_list, 2, documents, &made);
    ck_assert(!status || status == APR_ENOMEM);
    left = fail_later();
    apr_pool_destroy(own);
    fail_again(left);
    return status == APR_SUCCESS;
}

/* The number of the version of the second row, which has keys. */
static uint64_t version(void)
{
    struct mrc_keyring_hold hold;
    uint64_t number;

    mrc_keyring_take(keyring, pool, row_list, 2, &hold);
    ck_assert_ptr_eq(hold.trust[0].keys, start);
    ck_assert_ptr_nonnull(hold.trust[1].keys);
    number = hold.versions[1];
    mrc_keyring_give_back(&hold);
    return number;
}

static bool renew(void)
{
    static bool is_other;
    long left = fail_later();
    uint64_t before = version(), after;
    long bytes = alloc_bytes;

    is_other = !is_other;
    ck_assert(mrc_documents_write(documents, 0, mrc_bytes_of(is_other ? OTHER : SECRET)));
    fail_again(left);
    mrc_keyring_refresh(keyring);
    left = fail_later();
    after = version();
    if (after == before) {
        mrc_keyring_refresh(keyring);
        ck_assert_uint_ne(version(), before);
    }
    alloc_bytes = bytes; /* the keys stay until the next keys replace them */
    fail_again(left);
    return after != before;
}

static bool check(void)
{
    struct mrc_error error = {""};
    apr_status_t status = mrc_keyring_check(keyring, 0, mrc_bytes_of(OTHER), &error);

    ck_assert_msg(!status || status == APR_ENOMEM, "%s", error.text);
    return status == APR_SUCCESS;
}

START_TEST(keys)
{
    fail_in_turn("create", create, 2);
    fail_in_turn("renew", renew, 4);
    fail_in_turn("check", check, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tcase = tcase_create("no_memory");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, keys);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
