/*
 * A child starts with each allocation and each thread failing in turn, and with too few
 * descriptors: it starts completely, or leaves nothing behind.
 */
#include "failing_calls.h"
#include "hub/child/child.h"
#include "hub_unit.h"
#include "store/memory/memory.h"

#define NSLOTS 4

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
    ck_assert_msg(mrc_memory_reconcile(memory, shapes, 1, &error) == APR_SUCCESS, "%s", error.text);
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
        mrc_hub_close(hub);
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

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tcase = tcase_create("no_memory");

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_child_starts_whole_or_not_at_all);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
