/*
 * What a machine notes about its log, with each allocation failing in turn: no note is lost, and an
 * unknown order is not taken for known.
 */
#include "core/base/buf.h"
#include "core/protocol/update.h"
#include "failing_calls.h"
#include "hub/lineage/lineage.h"
#include "hub/lineage/seen.h"
#include "hub/lineage/unsettled.h"
#include "store/regions/link.h"
#include "store_unit.h"

#define ENTRIES 1000

/* ---- the lineage ------------------------------------------------------------------------------*/

static bool trace(void)
{
    struct mrc_lineage lineage = {.count = 0};
    uint64_t added = 0;
    bool is_done = true;

    for (uint64_t i = 1; i <= ENTRIES && is_done; i++) {
        const struct mrc_lineage_entry entry = {.number = i, .writer = 1, .counter = i};

        is_done = mrc_lineage_add(&lineage, &entry);
        added += is_done;
    }
    ck_assert_uint_eq(lineage.count, added);
    mrc_lineage_close(&lineage);
    ck_assert_uint_eq(lineage.count, added);
    for (size_t i = 0; i < lineage.count; i++)
        ck_assert_uint_eq(lineage.entries[i].counter, i + 1);
    mrc_lineage_free(&lineage);
    return is_done;
}

static bool note(void)
{
    struct mrc_seen *seen = mrc_seen_create();
    uint64_t noted = 0;
    bool is_done = seen != NULL;

    for (uint64_t i = 1; i <= ENTRIES && is_done; i++) {
        is_done = mrc_seen_note(seen, i * 7919, i);
        noted += is_done;
    }
    for (uint64_t i = 1; i <= ENTRIES && seen; i++)
        ck_assert_uint_eq(mrc_seen_get(seen, i * 7919), i <= noted ? i : 0);
    mrc_seen_free(seen);
    return is_done;
}

START_TEST(what_is_noted_stays)
{
    fail_in_turn("lineage", trace, 3);
    fail_in_turn("seen", note, 5);
}
END_TEST

/* ---- windows ----------------------------------------------------------------------------------*/

static apr_pool_t *pool;
static struct mrc_ring *ring;

/* Appends the record of entry NUMBER. */
static void append(uint64_t number)
{
    struct mrc_bytes topic = mrc_bytes_of("t");
    const struct mrc_update update = {.topics = &topic, .topics_count = 1};
    const struct mrc_update_origin origin = {number, 1, number};
    struct mrc_buf plain, record;
    uint64_t seq, pos;

    mrc_buf_init(&plain, SIZE_MAX);
    mrc_buf_init(&record, SIZE_MAX);
    mrc_update_encode(&update, &plain);
    ck_assert(mrc_update_add_origin(mrc_buf_bytes(&plain), &origin, &record));
    ck_assert_int_eq(
        mrc_ring_append(ring, mrc_bytes_of("id"), mrc_buf_bytes(&record), 1, 1, 1000, &seq, &pos),
        APR_SUCCESS);
    mrc_buf_free(&plain);
    mrc_buf_free(&record);
}

static struct mrc_link *make_link(void)
{
    long left = fail_later();
    void *region = store_shared(mrc_link_bytes());
    struct mrc_link *made;

    ck_assert_int_eq(mrc_link_create(region), APR_SUCCESS);
    ck_assert_int_eq(mrc_link_attach(pool, region, mrc_link_bytes(), &made), APR_SUCCESS);
    fail_again(left);
    return made;
}

/* Loses the entries 3 to 5, and gets the last of them back. A machine that does not know what is
 * lost keeps the window open. */
static bool lose(void)
{
    struct mrc_link *own = make_link();
    struct mrc_unsettled unsettled;
    uint64_t first;
    bool is_done;

    mrc_unsettled_begin(&unsettled, own, ring);
    mrc_unsettled_lose(&unsettled, 2);
    ck_assert(mrc_link_find_window(own, 3, &first));
    mrc_unsettled_came(&unsettled, 1, 5);
    is_done = !mrc_link_is_open(own);
    ck_assert(is_done || unsettled.is_untracked);
    return is_done;
}

/* An entry that was lost after entry 3 comes to a machine that has not seen the loss: the window
 * begins with record 4, or before. */
static bool learn(void)
{
    const struct mrc_update_origin origin = {6, 1, 5};
    struct mrc_link *own = make_link();
    struct mrc_unsettled unsettled;
    uint64_t first = UINT64_MAX;

    mrc_unsettled_begin(&unsettled, own, ring);
    mrc_unsettled_note(&unsettled, 3, 0, &origin, true);
    ck_assert(mrc_link_find_window(own, 5, &first));
    ck_assert_uint_le(first, 4);
    return first == 4;
}

/* The ring has an entry before the records of a new log, which begin with record 5. */
static bool learn_before(void)
{
    const struct mrc_update_origin origin = {1, 1, 2};
    struct mrc_link *own = make_link();
    struct mrc_unsettled unsettled;
    uint64_t first = UINT64_MAX;

    mrc_unsettled_begin(&unsettled, own, ring);
    mrc_unsettled_note(&unsettled, 0, 4, &origin, true);
    ck_assert(mrc_link_find_window(own, 5, &first));
    ck_assert_uint_le(first, 2);
    return first == 2;
}

START_TEST(an_order_that_is_not_known_stays_unsettled)
{
    pool = store_pool();
    ring = store_ring(pool, 1024 * 1024, (struct mrc_ring_bounds){.count = 0});
    for (uint64_t i = 1; i <= 5; i++)
        append(i);
    fail_in_turn("lose", lose, 1);
    fail_in_turn("learn", learn, 1);
    fail_in_turn("learn_before", learn_before, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tcase = tcase_create("no_memory");

    tcase_add_test(tcase, what_is_noted_stays);
    tcase_add_test(tcase, an_order_that_is_not_known_stays_unsettled);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
