#include "hub/child/jobs.h"

#include <stdatomic.h>

#include "hub/base/mailbox.h"
#include "hub/base/thread.h"
#include "hub/base/wake.h"
#include "store/base/clock.h"

/* The wait for the end of the thread. All jobs have run by then, unless one hangs. */
#define JOIN_US ((int64_t)3000 * 1000)

struct mrc_jobs {
    apr_thread_t *thread;
    struct mrc_wake wake;
    struct mrc_mailbox posted;
    atomic_uint waiting; /* posted, and not run to the end */
    atomic_bool stopping;
    atomic_bool is_abandoned; /* the process ends without the thread, and frees what jobs need */
};

static void run_all(struct mrc_jobs *jobs, struct mrc_list *list, apr_thread_t *thread)
{
    struct mrc_job *job;

    while (!atomic_load(&jobs->is_abandoned) && (job = (struct mrc_job *)mrc_list_take(list))) {
        job->run(job, thread);
        atomic_fetch_sub(&jobs->waiting, 1);
    }
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *arg)
{
    struct mrc_jobs *jobs = arg;
    bool stopping;

    do {
        struct mrc_list list;

        mrc_wake_wait(&jobs->wake, -1);
        stopping = atomic_load(&jobs->stopping); /* first, so the list then has all posted jobs */
        list = mrc_mailbox_take(&jobs->posted);
        run_all(jobs, &list, thread);
    } while (!stopping);
    return NULL;
}

apr_status_t mrc_jobs_start(apr_pool_t *pool, struct mrc_jobs **ret_jobs)
{
    struct mrc_jobs *jobs = apr_pcalloc(pool, sizeof(*jobs));
    apr_status_t status = mrc_wake_open(&jobs->wake, pool);

    mrc_mailbox_init(&jobs->posted, &jobs->wake);
    if (status == APR_SUCCESS)
        status = mrc_thread_start(pool, run, jobs, &jobs->thread);
    if (status == APR_SUCCESS)
        *ret_jobs = jobs;
    return status;
}

void mrc_jobs_post(struct mrc_jobs *jobs, struct mrc_job *job)
{
    atomic_fetch_add(&jobs->waiting, 1);
    mrc_mailbox_post(&jobs->posted, &job->link);
}

bool mrc_jobs_is_full(const struct mrc_jobs *jobs)
{
    return atomic_load_explicit(&jobs->waiting, memory_order_relaxed) >= MRC_JOBS_MAX;
}

bool mrc_jobs_stop(struct mrc_jobs *jobs)
{
    if (!jobs)
        return true;
    atomic_store(&jobs->stopping, true);
    mrc_wake_post(&jobs->wake);
    if (mrc_thread_join(jobs->thread, mrc_clock_us() + JOIN_US))
        return true;
    atomic_store(&jobs->is_abandoned, true);
    return false;
}
