/* Samples of the counters: their distance, the ring, the lock, and pages. The program is linked
 * with -Wl,--wrap=mrc_lock_acquire. */
#include <sys/wait.h>
#include <unistd.h>

#include "store/base/lock.h"
#include "store/regions/samples.h"
#include "store_unit.h"

#define S      INT64_C(1000000)
#define NOW    (1000 * S)
#define MINUTE (60 * S)

static struct mrc_samples *create(void **ret_region)
{
    struct mrc_samples *samples = NULL;

    *ret_region = store_shared(mrc_samples_bytes());
    ck_assert_int_eq(mrc_samples_create(store_pool(), *ret_region, &samples), APR_SUCCESS);
    return samples;
}

/* Keeps a sample of AT_US whose values tell when it was taken. */
static void keep(struct mrc_samples *samples, int64_t at_us)
{
    struct mrc_sample sample = {.at_us = at_us};

    for (unsigned i = 0; i < MRC_SAMPLE_VALUES; i++)
        sample.values[i] = (uint64_t)at_us + i;
    mrc_samples_keep(samples, &sample);
}

/* When the sample was taken that is found; 0: none is. */
static int64_t found(struct mrc_samples *samples, int64_t now_us, int64_t most_us, bool oldest)
{
    struct mrc_sample sample = {.at_us = 0};

    if (!mrc_samples_find(samples, now_us, most_us, oldest, &sample))
        return 0;
    for (unsigned i = 0; i < MRC_SAMPLE_VALUES; i++)
        ck_assert_uint_eq(sample.values[i], (uint64_t)sample.at_us + i);
    return sample.at_us;
}

START_TEST(one_is_kept_each_second)
{
    void *region;
    struct mrc_samples *samples = create(&region);

    ck_assert(mrc_samples_are_due(samples, NOW));
    ck_assert_int_eq(found(samples, NOW, MINUTE, true), 0);
    keep(samples, NOW);
    ck_assert(!mrc_samples_are_due(samples, NOW + S - 1));
    keep(samples, NOW + S - 1);
    ck_assert_int_eq(found(samples, NOW + 2 * S, MINUTE, false), NOW);
    ck_assert(mrc_samples_are_due(samples, NOW + S));
    keep(samples, NOW + S);
    ck_assert_int_eq(found(samples, NOW + 2 * S, MINUTE, false), NOW + S);
    /* Threads that have read the clock a little earlier keep none. */
    ck_assert(!mrc_samples_are_due(samples, NOW + 1));
}
END_TEST

START_TEST(the_newest_and_the_oldest_are_found)
{
    void *region;
    struct mrc_samples *samples = create(&region);

    for (int i = 0; i < 5; i++)
        keep(samples, NOW + i * S);
    ck_assert_int_eq(found(samples, NOW + 5 * S - 1, MINUTE, false), NOW + 3 * S);
    ck_assert_int_eq(found(samples, NOW + 5 * S, MINUTE, false), NOW + 4 * S);
    ck_assert_int_eq(found(samples, NOW + 5 * S, MINUTE, true), NOW);
    ck_assert_int_eq(found(samples, NOW + 5 * S, 3 * S, true), NOW + 2 * S);
    ck_assert_int_eq(found(samples, NOW + 5 * S, 3 * S - 1, true), NOW + 3 * S);
    ck_assert_int_eq(found(samples, NOW + MINUTE + 4 * S, MINUTE, false), NOW + 4 * S);
    ck_assert_int_eq(found(samples, NOW + MINUTE + 4 * S + 1, MINUTE, false), 0);
}
END_TEST

START_TEST(old_ones_give_way)
{
    void *region;
    struct mrc_samples *samples = create(&region);

    for (int i = 0; i < 3 * MRC_SAMPLES_MAX + 7; i++)
        keep(samples, NOW + i * S);
    ck_assert_int_eq(found(samples, NOW + 1000 * S, 1000 * S, true),
                     NOW + (2 * MRC_SAMPLES_MAX + 7) * S);
    ck_assert_int_eq(found(samples, NOW + 1000 * S, 1000 * S, false),
                     NOW + (3 * MRC_SAMPLES_MAX + 6) * S);
}
END_TEST

/* Samples from before a start of the system are in the future of its new clock. */
START_TEST(the_clock_begins_again)
{
    void *region;
    struct mrc_samples *samples = create(&region);

    keep(samples, NOW);
    ck_assert_int_eq(found(samples, 5 * S, MINUTE, false), 0);
    ck_assert(mrc_samples_are_due(samples, 5 * S));
    keep(samples, 5 * S);
    ck_assert_int_eq(found(samples, 6 * S, MINUTE, true), 5 * S);
}
END_TEST

/* The longest wait for the lock; and whether another thread is faster. */
static int64_t longest_wait_us;
static struct mrc_samples *raced;

#pragma GCC visibility push(default)
apr_status_t __real_mrc_lock_acquire(union mrc_lock *lock, int64_t wait_us, bool *ret_owner_died);
apr_status_t __wrap_mrc_lock_acquire(union mrc_lock *lock, int64_t wait_us, bool *ret_owner_died);
#pragma GCC visibility pop

apr_status_t __wrap_mrc_lock_acquire(union mrc_lock *lock, int64_t wait_us, bool *ret_owner_died)
{
    struct mrc_samples *samples = raced;

    raced = NULL;
    if (samples)
        keep(samples, NOW);
    if (wait_us > longest_wait_us)
        longest_wait_us = wait_us;
    return __real_mrc_lock_acquire(lock, wait_us, ret_owner_died);
}

START_TEST(one_is_kept_when_two_threads_are_about_to)
{
    void *region;
    struct mrc_samples *samples = create(&region);

    raced = samples;
    keep(samples, NOW + 1);
    ck_assert_int_eq(found(samples, NOW + 2 * S, MINUTE, false), NOW);
}
END_TEST

static void run(void (*work)(struct mrc_samples *), struct mrc_samples *samples)
{
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        work(samples);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

static void keep_another(struct mrc_samples *samples)
{
    keep(samples, NOW + S);
}

START_TEST(processes_share_them)
{
    void *region;
    struct mrc_samples *samples = create(&region);

    keep(samples, NOW);
    run(keep_another, mrc_samples_attach(store_pool(), region));
    ck_assert_int_eq(found(samples, NOW + 2 * S, MINUTE, true), NOW);
    ck_assert_int_eq(found(samples, NOW + 2 * S, MINUTE, false), NOW + S);
}
END_TEST

static struct mrc_samples_header *header;

static void die_with_lock(struct mrc_samples *samples)
{
    bool unused;

    (void)samples;
    if (mrc_lock_acquire(&header->lock, 0, &unused) != APR_SUCCESS)
        _exit(1);
    header->next += 5;
}

START_TEST(the_death_of_a_holder_forgets_them)
{
    void *region;
    struct mrc_samples *samples = create(&region);

    header = region;
    keep(samples, NOW);
    keep(samples, NOW + S);
    run(die_with_lock, samples);
    ck_assert_int_eq(found(samples, NOW + 2 * S, MINUTE, true), 0);
    ck_assert(mrc_samples_are_due(samples, NOW + S));
    keep(samples, NOW + S);
    ck_assert_int_eq(found(samples, NOW + 2 * S, MINUTE, true), NOW + S);
}
END_TEST

/* Who finds them locked keeps none, at once. */
START_TEST(keeping_does_not_wait)
{
    void *region;
    struct mrc_samples *samples = create(&region);
    bool unused;

    header = region;
    ck_assert_int_eq(mrc_lock_acquire(&header->lock, 0, &unused), APR_SUCCESS);
    keep(samples, NOW);
    ck_assert_int_eq(longest_wait_us, 0);
    mrc_lock_release(&header->lock);
    ck_assert_int_eq(found(samples, NOW + S, MINUTE, true), 0);
    keep(samples, NOW);
    ck_assert_int_eq(found(samples, NOW + S, MINUTE, true), NOW);
}
END_TEST

START_TEST(pages_are_allocated_when_one_is_kept)
{
    const uint64_t offset = 64, groups = 4096, begin = 16384;
    const uint64_t bytes = begin + mrc_samples_bytes();
    char *base = store_shared(bytes);
    _Atomic uint64_t taken = 0, limit = begin + 4096;
    const struct mrc_sparse_budget budget = {&taken, &limit, -1};
    struct mrc_samples *samples = NULL;
    struct mrc_sparse *pages;
    apr_status_t status;

    status = mrc_sparse_create(store_pool(), base, bytes, offset, groups,
                               begin + mrc_samples_head_bytes(), &budget, &pages);
    if (status == APR_ENOTIMPL)
        return; /* this kernel allocates the whole segment */
    ck_assert_int_eq(status, APR_SUCCESS);
    ck_assert_int_eq(mrc_samples_create(store_pool(), base + begin, &samples), APR_SUCCESS);
    mrc_samples_use_sparse(samples, pages);
    ck_assert_int_eq(found(samples, NOW, MINUTE, true), 0);
    keep(samples, NOW); /* there is no room */
    ck_assert(mrc_samples_are_due(samples, NOW));
    ck_assert_int_eq(found(samples, NOW + S, MINUTE, true), 0);
    limit = 0;
    keep(samples, NOW);
    ck_assert_int_eq(found(samples, NOW + S, MINUTE, true), NOW);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("samples");
    TCase *tcase = tcase_create("samples");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, one_is_kept_each_second);
    tcase_add_test(tcase, the_newest_and_the_oldest_are_found);
    tcase_add_test(tcase, old_ones_give_way);
    tcase_add_test(tcase, the_clock_begins_again);
    tcase_add_test(tcase, one_is_kept_when_two_threads_are_about_to);
    tcase_add_test(tcase, processes_share_them);
    tcase_add_test(tcase, the_death_of_a_holder_forgets_them);
    tcase_add_test(tcase, keeping_does_not_wait);
    tcase_add_test(tcase, pages_are_allocated_when_one_is_kept);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
