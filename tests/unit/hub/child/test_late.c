/*
 * Hubs that a child could not open at its start, because their disk was not there, and that are
 * opened later. The program is linked with -Wl,--wrap=mrc_staging_lock.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hub/child/child.h"
#include "hub_unit.h"
#include "store/base/clock.h"
#include "store/memory/memory.h"

#define NSLOTS 4
#define DEADLINE_US                                                                                \
    INT64_C(20000000) /* far more than is needed: only a broken build waits that long */

#define wait_until(condition)                                                                      \
    do {                                                                                           \
        int64_t until_us_ = mrc_clock_us() + DEADLINE_US;                                          \
        while (!(condition)) {                                                                     \
            ck_assert_msg(mrc_clock_us() < until_us_, "never came true: %s", #condition);          \
            poll(NULL, 0, 2);                                                                      \
        }                                                                                          \
    } while (0)

static struct mrc_hub_spec slow = {
    .shape = {.key = "slow", .ring_bytes = 100000, .body_max_bytes = 1000},
    .limits = {.dispatch_timeout_us = 1000000},
};
static struct mrc_hub_spec other = {
    .shape = {.key = "other", .ring_bytes = 100000, .body_max_bytes = 1000},
    .limits = {.dispatch_timeout_us = 1000000},
};
static const struct mrc_hub_spec plain = {
    .shape = {.key = "plain", .ring_bytes = 100000, .body_max_bytes = 1000},
    .limits = {.dispatch_timeout_us = 1000000},
};
static const struct mrc_hub_spec *const hubs[] = {&slow, &other, &plain};

#define SLOW  0 /* their indexes among the hubs of the child */
#define OTHER 1
#define PLAIN 2

/* ---- a disk that is slow ----------------------------------------------------------------------*/

static const struct mrc_staging *slow_staging;
static atomic_bool is_waiting, may_go_on, has_given_up;

#pragma GCC visibility push(default)
apr_status_t __real_mrc_staging_lock(struct mrc_staging *staging, int64_t wait_us);
apr_status_t __wrap_mrc_staging_lock(struct mrc_staging *staging, int64_t wait_us);
#pragma GCC visibility pop

/* A publisher that commits holds the lock for as long as its disk takes. */
apr_status_t __wrap_mrc_staging_lock(struct mrc_staging *staging, int64_t wait_us)
{
    int64_t until_us = mrc_clock_us() + DEADLINE_US / 2;

    while (staging == slow_staging && !atomic_load(&may_go_on) && !atomic_load(&has_given_up)) {
        atomic_store(&is_waiting, true);
        poll(NULL, 0, 2);
        if (mrc_clock_us() > until_us)
            atomic_store(&has_given_up, true);
    }
    return __real_mrc_staging_lock(staging, wait_us);
}

/* ---- a child ----------------------------------------------------------------------------------*/

static const char *dir;
static struct mrc_memory *memory;
static struct mrc_child *child;

/* Starts the child, whose hubs on the disk cannot be opened. */
static void set_up(void)
{
    const struct mrc_hub_shape *const shapes[] = {&slow.shape, &other.shape, &plain.shape};
    const char *disk = store_dir();
    struct mrc_error error = {""};

    dir = store_dir();
    slow.history_dir = apr_pstrcat(store_pool(), disk, "/slow", NULL);
    other.history_dir = apr_pstrcat(store_pool(), disk, "/other", NULL);
    slow.shape.staging_bytes = other.shape.staging_bytes =
        (uint32_t)mrc_staging_bytes(MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES, 0);
    ck_assert_int_eq(mrc_memory_open(store_pool(), dir, NSLOTS, &error, &memory), APR_SUCCESS);
    ck_assert_msg(mrc_memory_reconcile(memory, shapes, 3, &error) == APR_SUCCESS, "%s", error.text);
    ck_assert_int_eq(mrc_child_start(store_pool(), memory, hubs, 3, 2, getpid(), 7, &child),
                     APR_SUCCESS);
    ck_assert_ptr_nonnull(mrc_child_problem(child));
    ck_assert_int_eq(mkdir(slow.history_dir, 0700), 0);
    ck_assert_int_eq(mkdir(other.history_dir, 0700), 0);
}

static void tear_down(void)
{
    ck_assert(mrc_child_stop(child));
    mrc_child_close(child);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}

static void *open_slow(void *unused)
{
    struct mrc_hub *hub;

    while (!(hub = mrc_child_hub(child, SLOW)))
        poll(NULL, 0, 2);
    return hub;
}

START_TEST(a_hub_that_waits_for_its_disk_delays_no_other)
{
    pthread_t opener;
    void *hub;

    slow_staging = mrc_hub_segment_staging(mrc_memory_hub(memory, slow.shape.key));
    ck_assert_int_eq(pthread_create(&opener, NULL, open_slow, NULL), 0);
    wait_until(atomic_load(&is_waiting));
    ck_assert_ptr_nonnull(mrc_child_hub(child, PLAIN)); /* its first request */
    ck_assert_ptr_null(mrc_child_hub(child, SLOW));
    wait_until(mrc_child_hub(child, OTHER));
    ck_assert_msg(!atomic_load(&has_given_up), "a hub was delayed by another one");
    atomic_store(&may_go_on, true);
    ck_assert_int_eq(pthread_join(opener, &hub), 0);
    ck_assert_ptr_eq(hub, mrc_child_hub(child, SLOW));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("late");
    TCase *tcase = tcase_create("late");

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    if (mrc_history_has_lmdb())
        tcase_add_test(tcase, a_hub_that_waits_for_its_disk_delays_no_other);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
