/* Staging: publishers that outlive their child, in a process that was forked off it. */
#include "store/base/status.h"
#include "store/regions/staging.h"
#include "store/regions/staging_layout.h"
#include "store_unit.h"

#define OWNER 5

static struct mrc_staging *staging;

static void set_up(void)
{
    uint64_t bytes = mrc_staging_bytes(MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES, 0);
    void *region = store_shared(bytes);
    struct mrc_error error = {""};

    ck_assert_int_eq(mrc_staging_create(region, bytes, 0, &error), APR_SUCCESS);
    ck_assert_int_eq(mrc_staging_attach(store_pool(), region, bytes, &staging), APR_SUCCESS);
}

static int64_t stage(unsigned owner)
{
    const struct mrc_record record = {.id = mrc_bytes_of("id"), .payload = mrc_bytes_of("data")};
    int64_t ticket = mrc_staging_stage(staging, owner, &record);

    ck_assert_int_ge(ticket, 0);
    return ticket;
}

/* The leader takes the only update. */
static struct mrc_staged take(void)
{
    struct mrc_staged update;

    ck_assert_uint_eq(mrc_staging_take(staging, &update, 1), 1);
    ck_assert_bytes_eq(update.record.payload, "data");
    return update;
}

static void finish(struct mrc_staged update, apr_status_t status)
{
    update.status = status;
    mrc_staging_finish(staging, &update);
}

static void check_result(int64_t ticket, apr_status_t status)
{
    apr_status_t found = -1;

    ck_assert(mrc_staging_poll(staging, ticket, &found));
    ck_assert_int_eq(found, status);
}

static void check_undecided(int64_t ticket)
{
    apr_status_t unused;

    ck_assert(!mrc_staging_poll(staging, ticket, &unused));
}

START_TEST(the_result_frees_the_slot)
{
    int64_t ticket = stage(OWNER);

    check_undecided(ticket);
    finish(take(), APR_ENOSPC);
    ck_assert_uint_eq(mrc_staging_count(staging), 1);
    check_result(ticket, APR_ENOSPC);
    ck_assert_uint_eq(mrc_staging_count(staging), 0);
}
END_TEST

/* What the publisher did last before its child was folded. */
enum { HAS_STAGED, IS_NUDGED, IS_TAKEN, IS_DONE, SITUATIONS };

START_TEST(a_folded_publisher_learns_that_nobody_tells_it_the_result)
{
    int64_t ticket = stage(OWNER), next;
    struct mrc_staged update = {.slot = -1};

    if (_i == IS_NUDGED) {
        ck_assert_int_eq(mrc_staging_lock(staging, 0), APR_SUCCESS);
        mrc_staging_unlock(staging);
    }
    if (_i >= IS_TAKEN)
        update = take();
    if (_i == IS_DONE)
        finish(update, APR_SUCCESS);
    mrc_staging_fold(staging, OWNER + 1);
    if (_i < IS_DONE)
        check_undecided(ticket);
    mrc_staging_fold(staging, OWNER);
    check_result(ticket, MRC_STATUS_UNCONFIRMED);
    if (_i == IS_TAKEN) {
        finish(update, APR_SUCCESS);
        check_result(ticket, MRC_STATUS_UNCONFIRMED);
    }
    ck_assert_uint_eq(mrc_staging_count(staging), 0);

    /* The next child with this number gets the same slot, and its result is its own. */
    next = stage(OWNER);
    check_result(ticket, MRC_STATUS_UNCONFIRMED);
    ck_assert(!mrc_staging_withdraw(staging, ticket));
    update = take();
    ck_assert(!mrc_staging_abandon(staging, ticket));
    finish(update, APR_SUCCESS);
    check_result(ticket, MRC_STATUS_UNCONFIRMED);
    check_result(next, APR_SUCCESS);
}
END_TEST

/* The number of a claim begins anew after the largest one, without a change of owner or state. */
START_TEST(claims_are_numbered_for_ever)
{
    int64_t first = stage(MRC_STAGING_OWNERS_MAX - 1), before = first;

    ck_assert(mrc_staging_withdraw(staging, first));
    for (unsigned i = 1; i <= 1U << (32 - MRC_STAGING_CLAIM_SHIFT); i++) {
        int64_t ticket = stage(MRC_STAGING_OWNERS_MAX - 1);

        ck_assert_int_ne(ticket, before);
        check_result(before, MRC_STATUS_UNCONFIRMED);
        ck_assert(mrc_staging_withdraw(staging, ticket));
        ck_assert_uint_eq(mrc_staging_count(staging), 0);
        before = ticket;
    }
    ck_assert_int_eq(before, first);
}
END_TEST

START_TEST(an_owner_has_a_limit)
{
    const struct mrc_record record = {.id = mrc_bytes_of("id")};

    ck_assert_int_eq(mrc_staging_stage(staging, MRC_STAGING_OWNERS_MAX, &record), -1);
    ck_assert_uint_eq(mrc_staging_count(staging), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("staging");
    TCase *tcase = tcase_create("staging");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_test(tcase, the_result_frees_the_slot);
    tcase_add_loop_test(tcase, a_folded_publisher_learns_that_nobody_tells_it_the_result, 0,
                        SITUATIONS);
    tcase_add_test(tcase, claims_are_numbered_for_ever);
    tcase_add_test(tcase, an_owner_has_a_limit);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
