#include "httpd/exchange/workers.h"

#include <pthread.h>
#include <stdatomic.h>

#include "apr_general.h"
#include "failing_calls.h"
#include "unit.h"

#define THREADS 4
#define JOBS    100

/* httpd's variable, whose value the APR allocators of the threads get. */
extern apr_uint32_t ap_max_mem_free;
apr_uint32_t ap_max_mem_free;

void ap_abort_on_oom(void);

/* httpd's function, for its pools. */
void ap_abort_on_oom(void)
{
    abort();
}

/* While this is set, threads that wait with a deadline reach it at once; the calls are counted. */
static atomic_bool deadlines_are_over;
static atomic_uint timed_waits;

/* While this is set, there are no allocators. */
static atomic_bool allocators_fail;

#pragma GCC visibility push(default)
apr_status_t __real_apr_allocator_create(apr_allocator_t **ret_allocator);
apr_status_t __wrap_apr_allocator_create(apr_allocator_t **ret_allocator);
int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                                  const struct timespec *until);
#pragma GCC visibility pop

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                                  const struct timespec *until)
{
    static const struct timespec past = {.tv_sec = 0};

    atomic_fetch_add(&timed_waits, 1);
    return __real_pthread_cond_timedwait(cond, lock,
                                         atomic_load(&deadlines_are_over) ? &past : until);
}

apr_status_t __wrap_apr_allocator_create(apr_allocator_t **ret_allocator)
{
    return atomic_load(&allocators_fail) ? APR_ENOMEM : __real_apr_allocator_create(ret_allocator);
}

/* A job that waits at a gate. */
struct test_job {
    struct mrc_exchange_job job;
    struct test *test;
    struct mrc_exchange_jobs *session;
    unsigned number; /* that its thread has given it */
};

struct test {
    struct mrc_exchange_workers *workers;
    pthread_mutex_t gate; /* closed: locked */
    atomic_uint begun, ended;
};

static void run(struct mrc_exchange_job *base, struct mrc_exchange_worker *worker)
{
    struct test_job *job = (struct test_job *)base;
    struct test *test = job->test;

    ck_assert(worker->pool && worker->number < THREADS);
    ((struct test_job *)base)->number = worker->job;
    atomic_fetch_add(&test->begun, 1);
    pthread_mutex_lock(&test->gate);
    pthread_mutex_unlock(&test->gate);
    mrc_exchange_workers_done(test->workers, job->session);
    atomic_fetch_add(&test->ended, 1);
}

static void open_test(struct test *test, apr_pool_t **ret_pool)
{
    apr_initialize();
    apr_pool_create(ret_pool, NULL);
    *test = (struct test){.gate = PTHREAD_MUTEX_INITIALIZER};
    ck_assert_int_eq(mrc_exchange_workers_create(*ret_pool, THREADS, &test->workers), APR_SUCCESS);
}

static void post(struct test *test, struct mrc_exchange_jobs *session, struct test_job *jobs,
                 unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        jobs[i] = (struct test_job){.job = {.run = run}, .test = test, .session = session};
        ck_assert(mrc_exchange_workers_post(test->workers, session, &jobs[i].job));
    }
}

static void wait_for(const atomic_uint *count, unsigned wanted)
{
    while (atomic_load(count) < wanted)
        apr_sleep(1000);
}

static bool numbers_differ(const struct test_job *jobs, unsigned count)
{
    bool seen[2 * JOBS + 1] = {false};
    bool differ = true;

    for (unsigned i = 0; i < count && differ; i++) {
        differ = jobs[i].number <= 2 * JOBS && !seen[jobs[i].number];
        if (differ)
            seen[jobs[i].number] = true;
    }
    return differ;
}

START_TEST(all_jobs_run)
{
    static struct test_job jobs[2][JOBS];
    struct mrc_exchange_jobs sessions[2] = {{.running = 0}};
    struct test test;
    apr_pool_t *pool;

    open_test(&test, &pool);
    post(&test, &sessions[0], jobs[0], JOBS);
    post(&test, &sessions[1], jobs[1], JOBS);
    ck_assert(mrc_exchange_workers_stop(test.workers, 60000));
    ck_assert_uint_eq(test.ended, 2 * JOBS);
    ck_assert_uint_eq(sessions[0].running + sessions[1].running, 0);
    ck_assert(numbers_differ(jobs[0], 2 * JOBS));
    ck_assert(!mrc_exchange_workers_post(test.workers, &sessions[0], &jobs[0][0].job));
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_session_has_half_of_the_threads)
{
    static struct test_job jobs[3][JOBS];
    struct mrc_exchange_jobs sessions[3] = {{.running = 0}};
    struct test test;
    apr_pool_t *pool;

    open_test(&test, &pool);
    pthread_mutex_lock(&test.gate);
    post(&test, &sessions[0], jobs[0], JOBS);
    wait_for(&test.begun, THREADS / 2);
    apr_sleep(50 * 1000); /* no other job begins meanwhile */
    ck_assert_uint_eq(test.begun, THREADS / 2);
    post(&test, &sessions[1], jobs[1], 1);
    post(&test, &sessions[2], jobs[2], 1);
    wait_for(&test.begun, THREADS);
    ck_assert_uint_eq(sessions[1].running + sessions[2].running, 2);
    ck_assert_uint_eq(mrc_exchange_workers_busy(test.workers), THREADS);
    pthread_mutex_unlock(&test.gate);
    wait_for(&test.ended, JOBS + 2);
    ck_assert(mrc_exchange_workers_stop(test.workers, 60000));
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(stop_does_not_wait_for_ever)
{
    static struct test_job jobs[3];
    struct mrc_exchange_jobs session = {.running = 0};
    struct test test;
    apr_pool_t *pool;

    open_test(&test, &pool);
    pthread_mutex_lock(&test.gate);
    post(&test, &session, jobs, 3);
    wait_for(&test.begun, 2);
    ck_assert(!mrc_exchange_workers_stop(test.workers, 10));
    pthread_mutex_unlock(&test.gate);
    ck_assert(mrc_exchange_workers_stop(test.workers, 60000));
    ck_assert_uint_eq(test.ended, 3);
    apr_pool_destroy(pool);
}
END_TEST

/* A thread waits at this gate when it ends. */
static pthread_mutex_t exit_gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint leaving;

static void leave(struct mrc_exchange_worker *worker)
{
    (void)worker;
    atomic_fetch_add(&leaving, 1);
    pthread_mutex_lock(&exit_gate);
    pthread_mutex_unlock(&exit_gate);
}

static void run_and_leave_slowly(struct mrc_exchange_job *job, struct mrc_exchange_worker *worker)
{
    worker->leave = leave;
    run(job, worker);
}

START_TEST(idle_threads_end_but_for_two_that_sleep)
{
    static struct test_job jobs[THREADS + 1];
    struct mrc_exchange_jobs sessions[2] = {{.running = 0}};
    struct test test;
    apr_pool_t *pool;

    open_test(&test, &pool);
    pthread_mutex_lock(&test.gate);
    pthread_mutex_lock(&exit_gate);
    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i] = (struct test_job){
            .job = {.run = run_and_leave_slowly}, .test = &test, .session = &sessions[i % 2]};
        ck_assert(mrc_exchange_workers_post(test.workers, jobs[i].session, &jobs[i].job));
    }
    wait_for(&test.begun, THREADS);
    atomic_store(&deadlines_are_over, true);
    atomic_store(&timed_waits, 0);
    pthread_mutex_unlock(&test.gate);
    wait_for(&leaving, THREADS - 2);
    apr_sleep(50 * 1000); /* no thread waits again and again meanwhile, and no third one leaves */
    ck_assert_uint_eq(leaving, THREADS - 2);
    ck_assert_uint_le(timed_waits, 4 * THREADS);
    ck_assert_uint_eq(mrc_exchange_workers_busy(test.workers), 0);
    post(&test, &sessions[0], jobs + THREADS, 1); /* the two that are left take jobs */
    wait_for(&test.ended, THREADS + 1);
    pthread_mutex_unlock(&exit_gate);
    atomic_store(&deadlines_are_over, false);
    ck_assert(mrc_exchange_workers_stop(test.workers, 60000));
    apr_pool_destroy(pool);
}
END_TEST

/* A job that no thread can run is refused; while one runs, it waits for that thread. */
START_TEST(threads_cannot_be_started)
{
    static struct test_job jobs[3];
    struct mrc_exchange_jobs session = {.running = 0};
    struct test test;
    apr_pool_t *pool;

    open_test(&test, &pool);
    for (int i = 0; i < 3; i++)
        jobs[i] = (struct test_job){.job = {.run = run}, .test = &test, .session = &session};
    alloc_left = 0;
    ck_assert(!mrc_exchange_workers_post(test.workers, &session, &jobs[0].job));
    ck_assert_int_lt(alloc_left, 0);
    pthread_mutex_lock(&test.gate);
    ck_assert(mrc_exchange_workers_post(test.workers, &session, &jobs[1].job));
    wait_for(&test.begun, 1);
    alloc_left = 0;
    ck_assert(mrc_exchange_workers_post(test.workers, &session, &jobs[2].job));
    ck_assert_int_lt(alloc_left, 0);
    pthread_mutex_unlock(&test.gate);
    wait_for(&test.ended, 2);
    ck_assert(mrc_exchange_workers_stop(test.workers, 60000));
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(threads_without_memory_are_not_started)
{
    static struct test_job jobs[2];
    struct mrc_exchange_jobs session = {.running = 0};
    struct test test;
    apr_pool_t *pool;

    open_test(&test, &pool);
    jobs[0] = (struct test_job){.job = {.run = run}, .test = &test, .session = &session};
    atomic_store(&allocators_fail, true);
    ck_assert(!mrc_exchange_workers_post(test.workers, &session, &jobs[0].job));
    atomic_store(&allocators_fail, false);
    post(&test, &session, jobs + 1, 1);
    wait_for(&test.ended, 1);
    ck_assert(mrc_exchange_workers_stop(test.workers, 60000));
    ck_assert_uint_eq(test.begun, 1);
    apr_pool_destroy(pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("workers");
    TCase *tcase = tcase_create("workers");

    tcase_add_test(tcase, all_jobs_run);
    tcase_add_test(tcase, a_session_has_half_of_the_threads);
    tcase_add_test(tcase, stop_does_not_wait_for_ever);
    tcase_add_test(tcase, idle_threads_end_but_for_two_that_sleep);
    tcase_add_test(tcase, threads_cannot_be_started);
    tcase_add_test(tcase, threads_without_memory_are_not_started);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
