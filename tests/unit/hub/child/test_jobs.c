#include "hub/child/jobs.h"

#include <pthread.h>
#include <stdatomic.h>

#include "store_unit.h"

/* An errand that waits until it may, and writes down when it came. */
struct job {
    struct mrc_job errand;
    unsigned number;
};

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint ran;
static atomic_bool out_of_order;

static void run(struct mrc_job *errand, apr_thread_t *thread)
{
    struct job *job = (struct job *)errand;

    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    if (atomic_fetch_add(&ran, 1) != job->number)
        atomic_store(&out_of_order, true);
    free(job);
}

static struct job *post(struct mrc_jobs *errands, unsigned number)
{
    struct job *job = malloc(sizeof(*job));

    *job = (struct job){.errand = {.run = run}, .number = number};
    mrc_jobs_post(errands, &job->errand);
    return job;
}

static struct mrc_jobs *start(void)
{
    struct mrc_jobs *errands = NULL;

    ck_assert_int_eq(mrc_jobs_start(store_pool(), &errands), APR_SUCCESS);
    return errands;
}

START_TEST(who_posts_does_not_wait)
{
    struct mrc_jobs *errands = start();

    pthread_mutex_lock(&gate);
    for (unsigned i = 0; i < MRC_JOBS_MAX - 1; i++)
        post(errands, i);
    ck_assert(!mrc_jobs_is_full(errands));
    post(errands, MRC_JOBS_MAX - 1);
    ck_assert(mrc_jobs_is_full(errands));
    post(errands, MRC_JOBS_MAX); /* who cannot wait is not refused */
    ck_assert_uint_eq(atomic_load(&ran), 0);
    pthread_mutex_unlock(&gate);
    ck_assert(mrc_jobs_stop(errands));
    ck_assert(!mrc_jobs_is_full(errands));
    ck_assert_uint_eq(atomic_load(&ran), MRC_JOBS_MAX + 1);
    ck_assert(!atomic_load(&out_of_order));
}
END_TEST

START_TEST(one_that_hangs_is_left_alone)
{
    struct mrc_jobs *errands = start();
    struct job *next;

    pthread_mutex_lock(&gate);
    post(errands, 0);
    next = post(errands, 1);
    ck_assert(!mrc_jobs_stop(errands));
    pthread_mutex_unlock(&gate);
    while (!mrc_jobs_stop(errands)) /* however late it comes to run */
        ;
    ck_assert_uint_eq(atomic_load(&ran), 1); /* what the next one needs may be gone */
    free(next);
    ck_assert(mrc_jobs_stop(NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("errands");
    TCase *tcase = tcase_create("errands");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, who_posts_does_not_wait);
    tcase_add_test(tcase, one_that_hangs_is_left_alone);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
