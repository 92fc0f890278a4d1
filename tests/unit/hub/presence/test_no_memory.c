/*
 * Subscriptions begin and end with each allocation failing in turn: what was announced as active is
 * announced as ended, if not at once, then when another child cleans up.
 */
#include "failing_calls.h"
#include "hub/presence/presence.h"
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
static const struct mrc_hub_spec spec = {
    .shape = {.key = "h",
              .ring_bytes = 4 << 20,
              .body_max_bytes = 20000,
              .roster_subscribers = 1000},
    .paths = paths,
    .paths_count = 2,
};

static void set_up(void)
{
    const struct mrc_hub_shape *const shapes[] = {&spec.shape};
    static const char *const values[] = {"https://example.com/a", "https://example.com/b", "c"};
    struct mrc_error error = {""};

    dir = store_dir();
    pool = store_pool();
    ck_assert_int_eq(mrc_memory_open(pool, dir, NSLOTS, &error, &memory), APR_SUCCESS);
    ck_assert_msg(mrc_memory_reconcile(memory, shapes, 1, &error) == APR_SUCCESS, "%s", error.text);
    hub = mrc_hub_open(pool, mrc_memory_hub(memory, "h"), mrc_memory_notify(memory), SLOT, 0, &spec,
                       &error);
    ck_assert_msg(hub != NULL, "%s", error.text);
    for (size_t i = 0; i < 3; i++)
        matchers[i] = hub_matcher(MRC_MATCHER_EXACT, values[i], NULL);
}

static void tear_down(void)
{
    for (size_t i = 0; i < 3; i++)
        mrc_matcher_free(matchers[i]);
    mrc_hub_close(hub);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}

static bool has(struct mrc_bytes payload, const char *text)
{
    return memmem(payload.ptr, payload.len, text, strlen(text)) != NULL;
}

/* How many events say that a subscription is active, less those that say that one has ended. */
static int count_active(void)
{
    struct mrc_ring *ring = mrc_hub_ring(hub);
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos = mrc_ring_tail(ring);
    int active = 0;

    while (mrc_ring_read(ring, &pos, &record) == APR_SUCCESS)
        active += has(record.view.payload, "\"active\":true") -
                  has(record.view.payload, "\"active\":false");
    mrc_ring_record_free(&record);
    return active;
}

/* This child is gone, and another one announces what it has left. */
static void clean_up(void)
{
    struct mrc_roster *roster = mrc_hub_roster(hub);

    mrc_roster_fold(roster, SLOT);
    ck_assert_int_eq(mrc_presence_announce_orphans(hub), APR_SUCCESS);
    ck_assert_uint_eq(mrc_roster_used(roster), 0);
    ck_assert_int_eq(count_active(), 0);
}

static bool begin_and_end(void)
{
    static unsigned char subscriber[16];
    struct mrc_presence *presence = NULL;
    apr_status_t status;
    bool is_done;
    long left;

    subscriber[0]++;
    status = mrc_presence_begin(hub, subscriber, matchers, 3, NULL, &presence);
    ck_assert(!status || status == APR_ENOMEM);
    left = fail_later();
    ck_assert(status || count_active() == 3);
    fail_again(left);
    mrc_presence_end(presence);
    left = fail_later();
    is_done = status == APR_SUCCESS && mrc_roster_used(mrc_hub_roster(hub)) == 0;
    clean_up();
    fail_again(left);
    return is_done;
}

static bool clean_up_after_another(void)
{
    static unsigned char subscriber[16] = {0, 1};
    long left = fail_later();
    struct mrc_presence *presence = NULL;
    apr_status_t status;

    subscriber[0]++;
    ck_assert_int_eq(mrc_presence_begin(hub, subscriber, matchers, 3, NULL, &presence),
                     APR_SUCCESS);
    mrc_roster_fold(mrc_hub_roster(hub), SLOT);
    fail_again(left);
    status = mrc_presence_announce_orphans(hub);
    ck_assert(!status || status == APR_ENOMEM);
    left = fail_later();
    ck_assert(status || count_active() == 0);
    clean_up();
    free(presence); /* of the child that is gone */
    fail_again(left);
    return status == APR_SUCCESS;
}

START_TEST(what_has_begun_ends)
{
    fail_in_turn("begin and end", begin_and_end, 10);
    fail_in_turn("clean up", clean_up_after_another, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tcase = tcase_create("no_memory");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, what_has_begun_ends);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
