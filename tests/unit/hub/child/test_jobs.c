#include "hub/child/jobs.h"

#include <pthread.h>
#include <stdatomic.h>

#include "store_unit.h"

/* A job that waits at the gate, and checks that it is next. */
struct numbered {
    struct mrc_job job;
    unsigned number;
};

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint ran;
static atomic_bool out_of_order;

static void run(struct mrc_job *job, apr_thread_t *thread)
{
    struct numbered *numbered = (struct numbered *)job;

    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    if (atomic_fetch_add(&ran, 1) != numbered->number)
        atomic_store(&out_of_order, true);
    free(numbered);
}

static struct numbered *post(struct mrc_jobs *jobs, unsigned number)
{
    struct numbered *numbered = malloc(sizeof(*numbered));

    *numbered = (struct numbered){.job = {.run = run}, .number = number};
    mrc_jobs_post(jobs, &numbered->job);
    return numbered;
}

static struct mrc_jobs *start(void)
{
    struct mrc_jobs *jobs = NULL;

    ck_assert_int_eq(mrc_jobs_start(store_pool(), &jobs), APR_SUCCESS);
    return jobs;
}

START_TEST(a_post_never_waits)
{
    struct mrc_jobs *jobs = start();

    pthread_mutex_lock(&gate);
    for (unsigned i = 0; i < MRC_JOBS_MAX - 1; i++)
        post(jobs, i);
    ck_assert(!mrc_jobs_is_full(jobs));
    post(jobs, MRC_JOBS_MAX - 1);
    ck_assert(mrc_jobs_is_full(jobs));
    post(jobs, MRC_JOBS_MAX); /* a caller that cannot wait is never refused */
    ck_assert_uint_eq(atomic_load(&ran), 0);
    pthread_mutex_unlock(&gate);
    ck_assert(mrc_jobs_stop(jobs));
    ck_assert(!mrc_jobs_is_full(jobs));
    ck_assert_uint_eq(atomic_load(&ran), MRC_JOBS_MAX + 1);
    ck_assert(!atomic_load(&out_of_order));
}
END_TEST

START_TEST(a_job_that_hangs_is_abandoned)
{
    struct mrc_jobs *jobs = start();
    struct numbered *next;

    pthread_mutex_lock(&gate);
    post(jobs, 0);
    next = post(jobs, 1);
    ck_assert(!mrc_jobs_stop(jobs));
    pthread_mutex_unlock(&gate);
    while (!mrc_jobs_stop(jobs)) /* however late the thread is scheduled */
        ;
    ck_assert_uint_eq(atomic_load(&ran), 1); /* the next job may need what is freed by now */
    free(next);
    ck_assert(mrc_jobs_stop(NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jobs");
    TCase *tcase = tcase_create("jobs");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_post_never_waits);
    tcase_add_test(tcase, a_job_that_hangs_is_abandoned);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
