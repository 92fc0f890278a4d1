/*
 * The shared memory of a server is made, changed and read with each allocation failing in turn, and
 * with too few descriptors: a failure leaves no file, and a hub that cannot move stays as it is.
 */
#include "apr_time.h"

#include "core/base/buf.h"
#include "failing_calls.h"
#include "store/base/status.h"
#include "store/memory/memory.h"
#include "store/regions/revocations.h"
#include "store/regions/roster.h"
#include "store_unit.h"

#define RECORDS 5

static const char *dir;
static apr_pool_t *pool;
static struct mrc_memory *memory;

static void set_up(void)
{
    dir = store_dir();
    pool = store_pool();
}

static struct mrc_hub_shape shape_of(const char *key, uint64_t ring_bytes)
{
    return (struct mrc_hub_shape){
        .key = key,
        .history = {.count = 1000},
        .ring_bytes = ring_bytes,
        .body_max_bytes = 1000,
        .roster_subscribers = 100,
        .census_streams = 100,
        .is_controlled = true,
    };
}

static void set_error(void *error, const char *text)
{
    mrc_error_set(error, MRC_OK, "%s", text);
}

static apr_status_t reconcile(struct mrc_memory *with, const struct mrc_hub_shape *a,
                              const struct mrc_hub_shape *b, struct mrc_error *error)
{
    const struct mrc_hub_shape *const shapes[] = {a, b};

    return mrc_memory_reconcile(with, shapes, b ? 2 : 1, set_error, error, error);
}

/* ---- a start ----------------------------------------------------------------------------------*/

static bool start(void)
{
    const struct mrc_document_spec documents[] = {
        {.name = "key", .content = mrc_bytes_of("secret")}};
    const struct mrc_hub_shape a = shape_of("a", 10000), b = shape_of("b", 20000);
    struct mrc_memory *own = NULL;
    struct mrc_error error = {""};
    apr_status_t status = mrc_memory_open(pool, dir, 4, &error, &own);

    if (!status)
        status = reconcile(own, &a, &b, &error);
    if (!status)
        status = mrc_memory_set_documents(own, documents, 1, &error);
    ck_assert_msg(!status || error.text[0], "%d", status);
    mrc_memory_close(own);
    return status == APR_SUCCESS;
}

START_TEST(a_start_that_fails_leaves_nothing)
{
    fail_in_turn("start", start, 10);
    few_descriptors_in_turn("descriptors", start, 5);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* ---- a reload ---------------------------------------------------------------------------------*/

static bool is_large; /* the hub */

static void fill_hub(struct mrc_hub_segment *hub)
{
    for (unsigned char i = 0; i < RECORDS; i++) {
        const struct mrc_revocation revocation = {
            .id = {i}, .until_us = INT64_MAX, .data = mrc_bytes_of("order")};
        uint64_t seq, pos;

        ck_assert_int_eq(mrc_ring_append(mrc_hub_segment_ring(hub), mrc_bytes_of("id"),
                                         mrc_bytes_of("x"), 10, apr_time_now(), 0, &seq, &pos),
                         APR_SUCCESS);
        ck_assert_int_eq(mrc_revocations_add(mrc_hub_segment_revocations(hub), &revocation, 0),
                         APR_SUCCESS);
    }
}

/* Fails unless the hub has all that it had, and still works. */
static void check_hub(struct mrc_hub_segment *hub)
{
    struct mrc_ring *ring = mrc_hub_segment_ring(hub);
    struct mrc_revocation revocation;
    struct mrc_ring_stats stats;
    struct mrc_buf buf;
    unsigned revoked = 0;
    size_t at = 0;

    mrc_ring_stats(ring, &stats);
    ck_assert_uint_eq(stats.records, RECORDS);
    ck_assert(!mrc_ring_is_superseded(ring));
    mrc_buf_init(&buf, SIZE_MAX);
    mrc_revocations_copy(mrc_hub_segment_revocations(hub), &buf);
    while (mrc_revocations_next(mrc_buf_bytes(&buf), &at, &revocation))
        revoked++;
    ck_assert_uint_eq(revoked, RECORDS);
    mrc_buf_free(&buf);
    revocation = (struct mrc_revocation){.id = {9}, .data = mrc_bytes_of("")};
    ck_assert_int_eq(mrc_revocations_add(mrc_hub_segment_revocations(hub), &revocation, 0),
                     APR_SUCCESS);
    ck_assert_int_eq(
        mrc_revocations_remove(mrc_hub_segment_revocations(hub), revocation.id, INT64_MIN),
        APR_SUCCESS);
}

/* Gives the hub a size that it does not have. */
static bool resize(void)
{
    const struct mrc_hub_shape shape = shape_of("a", is_large ? 10000 : 4000000);
    struct mrc_hub_segment *hub = mrc_memory_hub(memory, "a");
    struct mrc_error error = {""};
    apr_status_t status = reconcile(memory, &shape, NULL, &error);
    bool has_moved = mrc_memory_hub(memory, "a") != hub;
    long left = fail_later();

    if (has_moved)
        is_large = !is_large;
    ck_assert(has_moved || error.text[0]);
    check_hub(mrc_memory_hub(memory, "a"));
    fail_again(left);
    return status == APR_SUCCESS && has_moved;
}

START_TEST(a_hub_that_cannot_move_stays)
{
    const struct mrc_hub_shape shape = shape_of("a", 10000);
    struct mrc_error error = {""};

    ck_assert_int_eq(mrc_memory_open(pool, dir, 4, &error, &memory), APR_SUCCESS);
    ck_assert_int_eq(reconcile(memory, &shape, NULL, &error), APR_SUCCESS);
    fill_hub(mrc_memory_hub(memory, "a"));
    fail_in_turn("resize", resize, 3);
    few_descriptors_in_turn("descriptors", resize, 1);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* ---- in a child -------------------------------------------------------------------------------*/

static struct mrc_hub_segment *hub;

static bool publish_and_read(void)
{
    const struct mrc_record records[] = {
        {.id = mrc_bytes_of("a"), .payload = mrc_bytes_of("x"), .stored_bytes = 1},
        {.id = mrc_bytes_of("b"), .payload = mrc_bytes_of("y"), .stored_bytes = 1},
    };
    struct mrc_ring *ring = mrc_hub_segment_ring(hub);
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_ring_stats before, after;
    uint64_t first, pos = mrc_ring_head(ring);
    apr_status_t status;

    mrc_ring_stats(ring, &before);
    status = mrc_ring_append_group(ring, records, 2, apr_time_now(), 0, &first);
    mrc_ring_stats(ring, &after);
    ck_assert_uint_eq(after.last_seq - before.last_seq, status ? 0 : 2);
    for (int i = 0; i < 2 && !status; i++)
        status = mrc_ring_read(ring, &pos, &record);
    ck_assert(!status || status == APR_ENOMEM);
    ck_assert(status || mrc_bytes_eq_str(record.view.id, "b"));
    mrc_ring_record_free(&record);
    return status == APR_SUCCESS;
}

static bool revoke_and_lift(void)
{
    struct mrc_revocations *revocations = mrc_hub_segment_revocations(hub);
    const struct mrc_revocation revocation = {
        .id = {1}, .until_us = INT64_MAX, .data = mrc_bytes_of("order")};
    uint64_t generation = mrc_revocations_generation(revocations);
    apr_status_t status = mrc_revocations_add(revocations, &revocation, 0);

    ck_assert(!status || mrc_revocations_generation(revocations) == generation);
    if (!status)
        status = mrc_revocations_remove(revocations, revocation.id, 0);
    ck_assert(!status || status == MRC_STATUS_NO_ROOM);
    return status == APR_SUCCESS;
}

static bool list(void)
{
    struct mrc_roster *roster = mrc_hub_segment_roster(hub);
    struct mrc_roster_entry entry = {.buf = NULL};
    const struct mrc_roster_entry wanted = {.match = mrc_bytes_of("a match"),
                                            .payload = mrc_bytes_of("{}")};
    long left = fail_later();
    apr_status_t status;
    uint32_t id = 0;

    ck_assert_int_eq(mrc_roster_add(roster, 1, &wanted, true, &id), APR_SUCCESS);
    mrc_roster_activate(roster, id);
    fail_again(left);
    status = mrc_roster_read(roster, id, &entry);
    ck_assert(!status || status == APR_ENOMEM);
    ck_assert(status || mrc_bytes_eq_str(entry.match, "a match"));
    mrc_roster_entry_free(&entry);
    mrc_roster_end(roster, id);
    mrc_roster_release(roster, id);
    return status == APR_SUCCESS;
}

static bool read_documents(void)
{
    struct mrc_buf buf;
    uint64_t generation;
    bool is_done;

    mrc_buf_init(&buf, SIZE_MAX);
    is_done = mrc_documents_read(mrc_memory_documents(memory), 0, &buf, &generation);
    ck_assert(!is_done || mrc_bytes_eq_str(mrc_buf_bytes(&buf), "secret"));
    mrc_buf_free(&buf);
    return is_done;
}

START_TEST(what_a_child_does)
{
    const struct mrc_document_spec documents[] = {
        {.name = "key", .content = mrc_bytes_of("secret")}};
    const struct mrc_hub_shape shape = shape_of("a", 100000);
    struct mrc_error error = {""};
    bool is_done = false;
    long tries;

    ck_assert_int_eq(mrc_memory_open(pool, dir, 4, &error, &memory), APR_SUCCESS);
    ck_assert_int_eq(reconcile(memory, &shape, NULL, &error), APR_SUCCESS);
    ck_assert_int_eq(mrc_memory_set_documents(memory, documents, 1, &error), APR_SUCCESS);
    hub = mrc_memory_hub(memory, "a");
    fail_in_turn("publish and read", publish_and_read, 3);
    for (tries = 0; !is_done; tries++) { /* the first one, for which the list has no pages yet */
        ck_assert_int_lt(tries, 100);
        alloc_left = tries;
        is_done = revoke_and_lift();
        alloc_left = -1;
    }
    ck_assert_int_gt(tries, 1);
    fail_in_turn("list", list, 1);
    fail_in_turn("documents", read_documents, 1);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tcase = tcase_create("no_memory");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_test(tcase, a_start_that_fails_leaves_nothing);
    tcase_add_test(tcase, a_hub_that_cannot_move_stays);
    tcase_add_test(tcase, what_a_child_does);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
