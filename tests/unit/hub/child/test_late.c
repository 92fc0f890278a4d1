/*
 * A child could not open hubs at its start, because their disk was missing, and opens them later.
 * The program is linked with -Wl,--wrap=clock_gettime and -Wl,--wrap=mrc_staging_lock.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
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

/* Hubs with a number are on the disk. */
#define SPEC(name)                                                                                 \
    {                                                                                              \
        .shape = {.key = (name), .ring_bytes = 100000, .body_max_bytes = 1000},                    \
        .limits = {.dispatch_timeout_us = 1000000},                                                \
    }
#define ON_DISK 6

static struct mrc_hub_spec specs[] = {SPEC("0"), SPEC("1"), SPEC("2"),    SPEC("3"),
                                      SPEC("4"), SPEC("5"), SPEC("plain")};

#define HUBS  (sizeof(specs) / sizeof(specs[0]))
#define PLAIN ON_DISK /* its index */

#define WAITING_MAX 4

static const struct mrc_hub_spec *hubs[HUBS];

/* ---- a disk that is slow ----------------------------------------------------------------------*/

static const struct mrc_staging *slow[ON_DISK];
static atomic_uint waiting;
static atomic_bool may_go_on, has_given_up, were_too_many;

/* At the start of a child, whose histories are all locked: the waits, each of which takes PAUSE_MS
 * at least. */
#define PAUSE_MS 20

static bool are_locked;
static int64_t waits_us[ON_DISK];
static size_t waits;

/* The clocks go on by this much with the first of these waits. */
static int first_wait_s;
static atomic_int ahead_s;

static bool is_slow(const struct mrc_staging *staging)
{
    for (size_t i = 0; i < ON_DISK; i++) {
        if (staging == slow[i])
            return true;
    }
    return false;
}

#pragma GCC visibility push(default)
int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);
apr_status_t __real_mrc_staging_lock(struct mrc_staging *staging, int64_t wait_us);
apr_status_t __wrap_mrc_staging_lock(struct mrc_staging *staging, int64_t wait_us);
#pragma GCC visibility pop

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    int result = __real_clock_gettime(clock, ret_time);

    ret_time->tv_sec += atomic_load(&ahead_s);
    return result;
}

/* A publisher that commits holds the lock for as long as its disk takes. */
apr_status_t __wrap_mrc_staging_lock(struct mrc_staging *staging, int64_t wait_us)
{
    int64_t until_us = mrc_clock_us() + DEADLINE_US / 2;

    if (are_locked) {
        ck_assert_uint_lt(waits, ON_DISK);
        if (waits == 0)
            atomic_store(&ahead_s, first_wait_s);
        waits_us[waits++] = wait_us;
        poll(NULL, 0, PAUSE_MS);
        return APR_TIMEUP;
    }
    if (is_slow(staging) && !atomic_load(&may_go_on)) {
        if (atomic_fetch_add(&waiting, 1) >= WAITING_MAX)
            atomic_store(&were_too_many, true);
        while (!atomic_load(&may_go_on) && !atomic_load(&has_given_up)) {
            poll(NULL, 0, 2);
            if (mrc_clock_us() > until_us)
                atomic_store(&has_given_up, true);
        }
        atomic_fetch_sub(&waiting, 1);
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
    const struct mrc_hub_shape *shapes[HUBS];
    const char *disk = store_dir();
    struct mrc_error error = {""};

    dir = store_dir();
    for (size_t i = 0; i < HUBS; i++) {
        hubs[i] = &specs[i];
        shapes[i] = &specs[i].shape;
        if (i == PLAIN)
            continue;
        specs[i].history_dir = apr_pstrcat(store_pool(), disk, "/", specs[i].shape.key, NULL);
        specs[i].shape.staging_bytes =
            (uint32_t)mrc_staging_bytes(MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES, 0);
    }
    ck_assert_int_eq(mrc_memory_open(store_pool(), dir, NSLOTS, &error, &memory), APR_SUCCESS);
    ck_assert_msg(mrc_memory_reconcile(memory, shapes, HUBS, NULL, NULL, &error) == APR_SUCCESS,
                  "%s", error.text);
    ck_assert_int_eq(mrc_child_start(store_pool(), memory, hubs, HUBS, 2, getpid(), 7, &child),
                     APR_SUCCESS);
    ck_assert_ptr_nonnull(mrc_child_problem(child));
    for (size_t i = 0; i < ON_DISK; i++)
        ck_assert_int_eq(mkdir(specs[i].history_dir, 0700), 0);
}

static void *open_hub(void *i)
{
    struct mrc_hub *hub;

    while (!(hub = mrc_child_hub(child, (uintptr_t)i)))
        poll(NULL, 0, 2);
    return hub;
}

/* Makes the disk of the first COUNT hubs slow. */
static void slow_down(size_t count)
{
    for (size_t i = 0; i < count; i++)
        slow[i] = mrc_hub_segment_staging(mrc_memory_hub(memory, specs[i].shape.key));
}

/* Starts a thread that opens hub I. */
static pthread_t start_opener(size_t i)
{
    pthread_t opener;

    ck_assert_int_eq(pthread_create(&opener, NULL, open_hub, (void *)(uintptr_t)i), 0);
    return opener;
}

static void wait_for(pthread_t opener, size_t i)
{
    void *hub;

    ck_assert_int_eq(pthread_join(opener, &hub), 0);
    ck_assert_ptr_eq(hub, mrc_child_hub(child, i));
}

static void tear_down(void)
{
    ck_assert(mrc_child_stop(child));
    mrc_child_close(child);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(a_hub_that_waits_for_its_disk_delays_no_other)
{
    pthread_t opener;

    slow_down(1);
    opener = start_opener(0);
    wait_until(atomic_load(&waiting) == 1);
    ck_assert_ptr_nonnull(mrc_child_hub(child, PLAIN)); /* its first request */
    ck_assert_ptr_null(mrc_child_hub(child, 0));
    wait_until(mrc_child_hub(child, 1));
    ck_assert_msg(!atomic_load(&has_given_up), "a hub was delayed by another one");
    atomic_store(&may_go_on, true);
    wait_for(opener, 0);
}
END_TEST

START_TEST(few_threads_wait_for_disks)
{
    pthread_t openers[ON_DISK];

    slow_down(ON_DISK);
    for (size_t i = 0; i < ON_DISK; i++)
        openers[i] = start_opener(i);
    wait_until(atomic_load(&waiting) == WAITING_MAX);
    for (size_t i = 0; i < ON_DISK; i++)
        ck_assert_ptr_null(mrc_child_hub(child, i));
    ck_assert_msg(!atomic_load(&has_given_up), "one more has waited");
    atomic_store(&may_go_on, true);
    for (size_t i = 0; i < ON_DISK; i++)
        wait_for(openers[i], i);
    ck_assert(!atomic_load(&were_too_many));
}
END_TEST

static void start_with_locked_hubs(void)
{
    ck_assert(mrc_child_stop(child));
    mrc_child_close(child);
    are_locked = true;
    ck_assert_int_eq(mrc_child_start(store_pool(), memory, hubs, HUBS, 2, getpid(), 7, &child),
                     APR_SUCCESS);
    are_locked = false;
    ck_assert_ptr_nonnull(mrc_child_problem(child));
    ck_assert_uint_eq(waits, ON_DISK);
}

/* Otherwise a child with many hubs would not serve for minutes. */
START_TEST(all_hubs_of_a_start_share_one_wait)
{
    start_with_locked_hubs();
    ck_assert_int_le(waits_us[0], MRC_HISTORY_OPEN_WAIT_US);
    for (size_t i = 1; i < waits; i++)
        ck_assert_int_le(waits_us[i], waits_us[i - 1] - (int64_t)PAUSE_MS * 1000);
    wait_until(mrc_child_hub(child, 0));
}
END_TEST

/* A lock that a publisher holds for a moment is no reason to go without a hub. */
START_TEST(a_hub_that_takes_all_the_time_of_a_start_leaves_a_moment_to_the_others)
{
    first_wait_s = (int)(MRC_HISTORY_OPEN_WAIT_US / 1000000);
    start_with_locked_hubs();
    for (size_t i = 1; i < waits; i++)
        ck_assert_int_eq(waits_us[i], 100000);
    wait_until(mrc_child_hub(child, 0));
}
END_TEST

/* ---- signals ----------------------------------------------------------------------------------*/

static bool are_held(void)
{
    sigset_t mask;

    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    return sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGHUP) == 1;
}

static void note_open(void *ctx, struct mrc_hub *hub, size_t i)
{
    (*(unsigned *)ctx)++;
    ck_assert(are_held());
}

/* A child of prefork ends in a signal handler, where it would find a half-open hub, and the lock of
 * the pools held. */
START_TEST(no_signal_interrupts_the_opening_of_a_hub)
{
    unsigned opened = 0;
    const struct mrc_child_watch watch = {.on_open = note_open, .ctx = &opened};

    mrc_child_watch(child, &watch);
    ck_assert_ptr_nonnull(mrc_child_hub(child, PLAIN));
    ck_assert_uint_eq(opened, 1);
    ck_assert(!are_held());
    wait_until(mrc_child_hub(child, 0));
    ck_assert_uint_eq(opened, 2);
    ck_assert(!are_held());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("late");
    TCase *tcase = tcase_create("late");

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    if (mrc_history_has_lmdb()) {
        tcase_add_test(tcase, a_hub_that_waits_for_its_disk_delays_no_other);
        tcase_add_test(tcase, few_threads_wait_for_disks);
        tcase_add_test(tcase, all_hubs_of_a_start_share_one_wait);
        tcase_add_test(tcase,
                       a_hub_that_takes_all_the_time_of_a_start_leaves_a_moment_to_the_others);
        tcase_add_test(tcase, no_signal_interrupts_the_opening_of_a_hub);
    }
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
