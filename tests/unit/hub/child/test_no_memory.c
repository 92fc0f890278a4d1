/*
 * A child starts with each allocation and each thread failing in turn, and with too few
 * descriptors: it starts completely, or leaves nothing behind. It opens a hub later that it could
 * not open then.
 */
#include <poll.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "failing_calls.h"
#include "hub/child/child.h"
#include "hub/presence/presence.h"
#include "hub_unit.h"
#include "late_threads.h"
#include "store/base/clock.h"
#include "store/memory/memory.h"
#include "store/regions/roster.h"

#define NSLOTS 4
#define DEADLINE_US                                                                                \
    INT64_C(60000000) /* far more than is needed: only a broken build waits that long */

#define wait_until(condition)                                                                      \
    do {                                                                                           \
        int64_t until_us_ = mrc_clock_us() + DEADLINE_US;                                          \
        while (!(condition)) {                                                                     \
            ck_assert_msg(mrc_clock_us() < until_us_, "never came true: %s", #condition);          \
            poll(NULL, 0, 2);                                                                      \
        }                                                                                          \
    } while (0)

static const char *dir;
static apr_pool_t *pool;
static struct mrc_memory *memory;

static const char *const paths[] = {"/h"};
static struct mrc_hub_spec spec = {
    .shape = {.key = "a",
              .ring_bytes = 100000,
              .body_max_bytes = 1000,
              .roster_subscribers = 100,
              .is_controlled = true},
    .limits = {.dispatch_timeout_us = 1000000},
    .paths = paths,
    .paths_count = 1,
    .is_controlled = true,
};
static const struct mrc_hub_spec *const hubs[] = {&spec};

static void set_up(void)
{
    const struct mrc_hub_shape *const shapes[] = {&spec.shape};
    struct mrc_error error = {""};

    dir = store_dir();
    pool = store_pool();
    if (mrc_history_has_lmdb()) {
        spec.history_dir = store_dir();
        spec.shape.staging_bytes =
            (uint32_t)mrc_staging_bytes(MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES, 0);
    }
    ck_assert_int_eq(mrc_memory_open(pool, dir, NSLOTS, &error, &memory), APR_SUCCESS);
    ck_assert_msg(mrc_memory_reconcile(memory, shapes, 1, NULL, NULL, &error) == APR_SUCCESS, "%s",
                  error.text);
}

static void tear_down(void)
{
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}

static bool start(void)
{
    long left = fail_later();
    struct mrc_child *child = NULL;
    struct mrc_control_child slot;
    apr_status_t status;
    struct mrc_hub *hub = NULL;
    apr_pool_t *own;

    ck_assert_int_eq(apr_pool_create(&own, pool), APR_SUCCESS);
    fail_again(left);
    status = mrc_child_start(own, memory, hubs, 1, 2, getpid(), 7, &child);
    left = fail_later();
    if (status == APR_SUCCESS) {
        hub = mrc_child_hub(child, 0);
        ck_assert(hub || mrc_child_problem(child));
        ck_assert(mrc_child_stop(child));
        mrc_child_close(child);
    }
    ck_assert(mrc_control_get(mrc_memory_control(memory), 0, &slot));
    ck_assert_int_eq(slot.state, MRC_CONTROL_FREE);
    apr_pool_destroy(own);
    fail_again(left);
    return hub != NULL;
}

START_TEST(a_child_starts_whole_or_not_at_all)
{
    fail_in_turn("start", start, 10);
    few_descriptors_in_turn("descriptors", start, 5);
}
END_TEST

/* What a late thread may use is never freed. */
static apr_status_t start_with_late_threads(const struct mrc_hub_spec *const specs[],
                                            struct mrc_child **ret_child)
{
    apr_status_t status;

#ifdef __SANITIZE_ADDRESS__
    __lsan_disable();
#endif
    status = mrc_child_start(pool, memory, specs, 1, 2, getpid(), 7, ret_child);
#ifdef __SANITIZE_ADDRESS__
    __lsan_enable();
#endif
    return status;
}

/* The child keeps its slot, and the caller its memory, while a thread runs: one of the dispatcher,
 * or the announcer. */
START_TEST(a_start_that_fails_tells_of_a_late_thread)
{
    struct mrc_hub_spec plain = spec;
    const struct mrc_hub_spec *const plain_hubs[] = {&plain};
    struct mrc_control *control = mrc_memory_control(memory);
    struct mrc_child *child = NULL;
    unsigned incomplete = 0;
    long failures;

    plain.history_dir = NULL;
    if (_i == 0)
        plain.shape.roster_subscribers = 0;
    for (long i = 0; i == 0 || *alloc_failures > failures; i++) {
        struct mrc_control_child slot;
        apr_status_t status;

        failures = *alloc_failures;
        late_threads = 0;
        threads_are_late = true;
        alloc_left = i;
        status = start_with_late_threads(plain_hubs, &child);
        alloc_left = -1;
        threads_are_late = false;
        ck_assert_int_eq(status == APR_INCOMPLETE, late_threads > 0);
        ck_assert(mrc_control_get(control, 0, &slot));
        ck_assert_int_eq(slot.state == MRC_CONTROL_LIVE,
                         status == APR_SUCCESS || status == APR_INCOMPLETE);
        if (status == APR_INCOMPLETE) {
            incomplete++;
            mrc_control_release(control, 0, getpid());
        } else if (status == APR_SUCCESS) {
            ck_assert(mrc_child_stop(child));
            mrc_child_close(child);
        }
    }
    ck_assert_uint_gt(incomplete, 0);
}
END_TEST

/* ---- a hub that could not be opened -----------------------------------------------------------*/

/* A child that serves without its hub. */
static struct mrc_child *start_without_hub(void)
{
    struct mrc_child *child = NULL;

    for (long i = 0; i < 1000; i++) {
        apr_status_t status;

        alloc_left = i;
        status = mrc_child_start(pool, memory, hubs, 1, 2, getpid(), 7, &child);
        alloc_left = -1;
        if (status)
            continue;
        if (mrc_child_problem(child))
            return child;
        ck_assert(mrc_child_stop(child));
        mrc_child_close(child);
    }
    ck_abort_msg("the hub can always be opened");
    return NULL;
}

/* Whether the child, without memory, tries to open its hub. */
static bool tries_in_vain(struct mrc_child *child)
{
    const struct mrc_hub *hub;
    bool has_tried;

    alloc_left = 0;
    hub = mrc_child_hub(child, 0);
    has_tried = alloc_left < 0;
    alloc_left = -1;
    ck_assert_ptr_null(hub);
    return has_tried;
}

static unsigned opened;
static const char *problem;

static void note_open(void *ctx, struct mrc_hub *hub, size_t i)
{
    opened++;
}

static void note_problem(void *ctx, size_t i, const char *why)
{
    problem = apr_pstrdup(pool, why);
}

START_TEST(a_hub_that_could_not_be_opened_is_tried_again)
{
    static const struct mrc_child_watch watch = {note_open, note_problem, NULL};
    struct mrc_matcher *all = hub_all();
    struct mrc_child *child = start_without_hub();
    struct mrc_presence *presence = NULL;
    const unsigned char id[16] = {1};
    struct mrc_hub *hub;
    long bytes;

    mrc_child_watch(child, &watch);
    bytes = alloc_bytes;
    wait_until(tries_in_vain(child));
    ck_assert_ptr_nonnull(problem);
    ck_assert_int_le(alloc_bytes, bytes);
    ck_assert_uint_eq(opened, 0);
    wait_until((hub = mrc_child_hub(child, 0)));
    ck_assert_uint_eq(opened, 1);

    /* The announcer announces ends as if the hub had been open from the start. */
    hub_publish(hub, "id", "https://example.com/a", "data");
    ck_assert_ptr_nonnull(mrc_hub_get_presence_queue(hub));
    for (int is_orphan = 0; is_orphan < 2; is_orphan++) {
        ck_assert_int_eq(mrc_presence_begin(hub, id, &all, 1, NULL, &presence), APR_SUCCESS);
        ck_assert_uint_gt(mrc_roster_used(mrc_hub_roster(hub)), 0);
        if (is_orphan)
            mrc_roster_fold(mrc_hub_roster(hub), mrc_hub_get_slot(hub));
        else
            mrc_presence_end(presence);
        wait_until(mrc_roster_used(mrc_hub_roster(hub)) == 0);
        if (is_orphan)
            free(presence);
    }
    ck_assert(mrc_child_stop(child));
    mrc_child_close(child);
    mrc_matcher_free(all);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tcase = tcase_create("no_memory");

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_child_starts_whole_or_not_at_all);
    tcase_add_loop_test(tcase, a_start_that_fails_tells_of_a_late_thread, 0, 2);
    tcase_add_test(tcase, a_hub_that_could_not_be_opened_is_tried_again);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
