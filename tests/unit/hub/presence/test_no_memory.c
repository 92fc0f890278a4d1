/*
 * Subscriptions begin and end with each allocation failing in turn: every subscription that was
 * announced as active is announced as ended, at the latest in the next attempt, and none stays in
 * the list.
 */
#include <sys/stat.h>

#include "core/base/json.h"
#include "failing_calls.h"
#include "hub/base/list.h"
#include "hub/presence/presence.h"
#include "hub/presence/queue.h"
#include "hub_unit.h"
#include "store/memory/memory.h"
#include "store/regions/roster.h"

#define NSLOTS 4
#define SLOT   1

static const char *dir;
static apr_pool_t *pool;
static struct mrc_memory *memory;
static struct mrc_hub *hub;
static struct mrc_matcher *matchers[3];

static const char *const paths[] = {"/h", "/other"};
static struct mrc_hub_spec spec = {
    .shape = {.key = "h",
              .ring_bytes = 4 << 20,
              .body_max_bytes = 20000,
              .roster_subscribers = 1000},
    .paths = paths,
    .paths_count = 2,
};

/* ---- the server -------------------------------------------------------------------------------*/

static void start(void)
{
    const struct mrc_hub_shape *const shapes[] = {&spec.shape};
    struct mrc_error error = {""};

    ck_assert_int_eq(mrc_memory_open(pool, dir, NSLOTS, &error, &memory), APR_SUCCESS);
    ck_assert_msg(mrc_memory_reconcile(memory, shapes, 1, NULL, NULL, &error) == APR_SUCCESS, "%s",
                  error.text);
    hub = mrc_hub_open(pool, mrc_memory_hub(memory, "h"), mrc_memory_notify(memory), SLOT, 0, &spec,
                       MRC_HISTORY_OPEN_WAIT_US, &error);
    ck_assert_msg(hub != NULL, "%s", error.text);
}

static void stop(void)
{
    mrc_hub_close(hub);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
    ck_assert_int_eq(mkdir(dir, 0700), 0);
}

static void set_up(void)
{
    static const char *const values[] = {"https://example.com/a", "https://example.com/b", "c"};

    dir = store_dir();
    pool = store_pool();
    for (size_t i = 0; i < 3; i++)
        matchers[i] = hub_matcher(MRC_MATCHER_EXACT, values[i], NULL);
}

static void tear_down(void)
{
    for (size_t i = 0; i < 3; i++)
        mrc_matcher_free(matchers[i]);
}

/* ---- what it says -----------------------------------------------------------------------------*/

/* Whether the event in RECORD, which must be whole, says that a subscription is active. */
static bool is_active(const struct mrc_ring_record *record)
{
    struct mrc_error error = {""};
    struct mrc_update update;
    json_t *document;
    bool active;

    ck_assert_int_eq(mrc_update_decode(record->view.id, record->view.payload, &update), MRC_OK);
    ck_assert_uint_eq(update.topics_count, 2);
    ck_assert_msg(mrc_json_parse_object(update.data, &error, &document) == MRC_OK, "%s",
                  error.text);
    ck_assert_ptr_nonnull(json_string_value(json_object_get(document, "match")));
    active = json_is_true(json_object_get(document, "active"));
    json_decref(document);
    mrc_update_clear(&update);
    return active;
}

/* How many events say that a subscription is active, less those that say that one has ended. */
static int count_active(void)
{
    struct mrc_ring *ring = mrc_hub_ring(hub);
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos = mrc_ring_tail(ring);
    int active = 0;

    while (mrc_ring_read(ring, &pos, &record) == APR_SUCCESS)
        active += is_active(&record) ? 1 : -1;
    mrc_ring_record_free(&record);
    return active;
}

static unsigned count_listed(void)
{
    const struct mrc_roster *roster = mrc_hub_roster(hub);
    struct mrc_roster_entry entry = {.type = 0};
    unsigned count = 0;

    for (uint32_t cell = 0; cell < mrc_roster_count(roster); cell++)
        count += mrc_roster_read(roster, cell, &entry) == APR_SUCCESS;
    mrc_roster_entry_free(&entry);
    return count;
}

static void check_nothing_is_left(void)
{
    ck_assert_uint_eq(mrc_roster_used(mrc_hub_roster(hub)), 0);
    ck_assert_int_eq(count_active(), 0);
}

/* ---- in one child -----------------------------------------------------------------------------*/

static struct mrc_presence *begin(void)
{
    static unsigned char subscriber[16];
    struct mrc_presence *presence = NULL;
    apr_status_t status;

    subscriber[0]++;
    status = mrc_presence_begin(hub, subscriber, matchers, 3, NULL, &presence);
    ck_assert(!status || status == APR_ENOMEM);
    ck_assert_int_eq(presence == NULL, status != APR_SUCCESS);
    return presence;
}

/* This child is gone, and another one announces what it left behind. */
static void clean_up(void)
{
    mrc_roster_fold(mrc_hub_roster(hub), SLOT);
    ck_assert_int_eq(mrc_presence_announce_orphans(hub), APR_SUCCESS);
    check_nothing_is_left();
}

/* In a process without an announcer, which tries to announce the ends once. */
static bool begin_and_end(void)
{
    struct mrc_presence *presence = begin();
    long left = fail_later();
    bool is_done;

    ck_assert_uint_eq(count_listed(), presence ? 3 : 0);
    if (presence)
        ck_assert_int_eq(count_active(), 3);
    else
        check_nothing_is_left();
    fail_again(left);
    if (!presence)
        return false;
    mrc_presence_end(presence);
    left = fail_later();
    ck_assert_uint_eq(count_listed(), 0);
    is_done = mrc_roster_used(mrc_hub_roster(hub)) == 0;
    if (is_done)
        check_nothing_is_left();
    clean_up();
    fail_again(left);
    return is_done;
}

#define MANY 60

/* Begins so many subscriptions at the same time that the list needs more pages. */
static void begin_many(void)
{
    const struct mrc_roster *roster = mrc_hub_roster(hub);
    struct mrc_presence *presences[MANY] = {NULL};

    for (int n = 0; n < MANY; n++) {
        const unsigned char subscriber[16] = {0, 1, (unsigned char)n};
        uint32_t used = mrc_roster_used(roster);

        for (long i = 0; !presences[n]; i++) {
            apr_status_t status;

            alloc_left = i;
            status = mrc_presence_begin(hub, subscriber, matchers, 3, NULL, &presences[n]);
            alloc_left = -1;
            ck_assert_int_eq(presences[n] == NULL, status != APR_SUCCESS);
            ck_assert(!status || mrc_roster_used(roster) == used);
            ck_assert_int_eq(count_active(), 3 * (status ? n : n + 1));
            ck_assert_int_lt(i, 100);
        }
    }
    for (int n = 0; n < MANY; n++)
        mrc_presence_end(presences[n]);
    check_nothing_is_left();
}

static struct mrc_presence_queue *queue;

/* The announcer tries again later to announce what it could not. */
static bool announce_ends(void)
{
    long left = fail_later();
    struct mrc_list list = {.first = NULL};
    apr_status_t status;

    for (int i = 0; i < 3; i++)
        mrc_presence_end(begin());
    mrc_presence_queue_take(queue, &list, 0, false);
    fail_again(left);
    status = mrc_presence_announce_ends(&list);
    ck_assert(!status || status == APR_ENOMEM);
    ck_assert_int_eq(list.first == NULL, status == APR_SUCCESS);
    left = fail_later();
    if (status)
        ck_assert_int_eq(mrc_presence_announce_ends(&list), APR_SUCCESS);
    check_nothing_is_left();
    fail_again(left);
    return status == APR_SUCCESS;
}

/* ---- after others -----------------------------------------------------------------------------*/

/* Announces what others left behind, in a second attempt if the first one fails. */
static bool announce_orphans(void)
{
    apr_status_t status = mrc_presence_announce_orphans(hub);
    long left = fail_later();

    ck_assert(!status || status == APR_ENOMEM);
    if (status)
        ck_assert_int_eq(mrc_presence_announce_orphans(hub), APR_SUCCESS);
    check_nothing_is_left();
    fail_again(left);
    return status == APR_SUCCESS;
}

static bool clean_up_after_a_child(void)
{
    long left = fail_later();
    struct mrc_presence *presence = begin();
    bool is_done;

    mrc_roster_fold(mrc_hub_roster(hub), SLOT);
    fail_again(left);
    is_done = announce_orphans();
    free(presence); /* of the child that is gone */
    return is_done;
}

static bool clean_up_after_a_server(void)
{
    long left = fail_later(), bytes;
    struct mrc_presence *presence = begin();

    stop();
    free(presence);
    bytes = alloc_bytes;
    start();
    alloc_bytes = bytes; /* the server stays until the next one starts */
    fail_again(left);
    return announce_orphans();
}

START_TEST(what_has_begun_ends)
{
    start();
    begin_many();
    fail_in_turn("begin and end", begin_and_end, 10);
    fail_in_turn("clean up", clean_up_after_a_child, 5);
    ck_assert_int_eq(mrc_presence_queue_create(pool, &queue), APR_SUCCESS);
    mrc_hub_set_presence_queue(hub, queue);
    fail_in_turn("ends", announce_ends, 5);
    stop();
}
END_TEST

START_TEST(what_a_server_has_left_ends)
{
    if (!mrc_history_has_lmdb())
        return;
    spec.history_dir = store_dir();
    spec.history_sync = MRC_HISTORY_SYNC_NONE;
    spec.shape.staging_bytes =
        (uint32_t)mrc_staging_bytes(MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES, 0);
    start();
    fail_in_turn("left", clean_up_after_a_server, 5);
    stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tcase = tcase_create("no_memory");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, what_has_begun_ends);
    tcase_add_test(tcase, what_a_server_has_left_ends);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
