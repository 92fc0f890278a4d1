#include "hub/child/jobs.h"

#include <pthread.h>
#include <stdatomic.h>

#include "hub/base/clock.h"
#include "hub/base/thread.h"

/* All that was posted has been run by then, unless something hangs. */
#define JOIN_US ((int64_t)3000 * 1000)

struct mrc_jobs {
    apr_thread_t *thread;
    atomic_uint waiting; /* posted, and not run to the end */
    pthread_mutex_t lock;
    pthread_cond_t posted;
    struct mrc_job *first, *last; /* under the lock */
    bool stopping;                /* the same */
    atomic_bool is_left; /* the process ends without the thread, and what errands need with it */
};

/* All that was posted, in its order; NULL: the thread is to end. */
static struct mrc_job *take_all(struct mrc_jobs *errands)
{
    struct mrc_job *all;

    pthread_mutex_lock(&errands->lock);
    while (!errands->first && !errands->stopping)
        pthread_cond_wait(&errands->posted, &errands->lock);
    all = errands->first;
    errands->first = errands->last = NULL;
    pthread_mutex_unlock(&errands->lock);
    return all;
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *arg)
{
    struct mrc_jobs *errands = arg;
    struct mrc_job *errand;

    while ((errand = take_all(errands))) {
        while (errand && !atomic_load(&errands->is_left)) {
            struct mrc_job *next = errand->next;

            errand->run(errand, thread);
            atomic_fetch_sub(&errands->waiting, 1);
            errand = next;
        }
    }
    return NULL;
}

apr_status_t mrc_jobs_start(apr_pool_t *pool, struct mrc_jobs **ret_errands)
{
    struct mrc_jobs *errands = apr_pcalloc(pool, sizeof(*errands));
    apr_status_t status;

    pthread_mutex_init(&errands->lock, NULL);
    pthread_cond_init(&errands->posted, NULL);
    status = mrc_thread_start(pool, run, errands, &errands->thread);
    if (status == APR_SUCCESS)
        *ret_errands = errands;
    return status;
}

void mrc_jobs_post(struct mrc_jobs *errands, struct mrc_job *errand)
{
    errand->next = NULL;
    atomic_fetch_add(&errands->waiting, 1);
    pthread_mutex_lock(&errands->lock);
    if (errands->last)
        errands->last->next = errand;
    else
        errands->first = errand;
    errands->last = errand;
    pthread_cond_signal(&errands->posted);
    pthread_mutex_unlock(&errands->lock);
}

bool mrc_jobs_is_full(const struct mrc_jobs *errands)
{
    return atomic_load_explicit(&errands->waiting, memory_order_relaxed) >= MRC_JOBS_MAX;
}

bool mrc_jobs_stop(struct mrc_jobs *errands)
{
    if (!errands)
        return true;
    pthread_mutex_lock(&errands->lock);
    errands->stopping = true;
    pthread_cond_signal(&errands->posted);
    pthread_mutex_unlock(&errands->lock);
    if (mrc_thread_join(errands->thread, mrc_clock_us() + JOIN_US))
        return true;
    atomic_store(&errands->is_left, true);
    return false;
}
