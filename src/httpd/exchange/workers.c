#include "httpd/exchange/workers.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "apr_allocator.h"
#include "mpm_common.h"

#include "httpd/base/pool.h"
#include "hub/base/thread.h"
#include "store/base/clock.h"

/* A thread that has had no job for this long ends, unless only KEEP_MIN are left. */
#define IDLE_S   10
#define KEEP_MIN 2

/* Up to this number, a thread starts as soon as a job finds none idle. More would not help jobs
 * that compute, so further threads start only when jobs take long (see watch()). */
#define START_AT_ONCE 8

/* How often the watcher checks whether jobs take long, while jobs wait. */
#define WATCH_MS 5

struct thread {
    struct mrc_exchange_workers *workers;
    apr_pool_t *pool;      /* of the apr_thread_t */
    apr_pool_t *jobs_pool; /* for its jobs; the thread's own once it runs */
    apr_thread_t *thread;
    bool is_running;
};

struct mrc_exchange_workers {
    unsigned max;
    pthread_mutex_t lock;
    pthread_cond_t posted, ended, crowded;
    /* Under the lock. */
    struct mrc_list waiting; /* of struct mrc_exchange_jobs, each of which has a job that may run */
    unsigned waiting_count;  /* of jobs, including those that may not run yet */
    unsigned taken;          /* jobs since the start */
    unsigned running;        /* threads */
    unsigned leaving;        /* those of them that take no more jobs */
    unsigned idle;           /* those of them that wait for a job */
    bool is_watching;        /* the watcher looks again soon */
    bool is_stopping;
    struct thread watcher;
    struct thread threads[]; /* MAX of them */
};

apr_status_t mrc_exchange_workers_create(apr_pool_t *pool, unsigned max,
                                         struct mrc_exchange_workers **ret_workers)
{
    struct mrc_exchange_workers *workers =
        apr_pcalloc(pool, sizeof(*workers) + max * sizeof(struct thread));
    pthread_condattr_t attr;

    workers->max = max;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&workers->posted, &attr);
    pthread_cond_init(&workers->ended, &attr);
    pthread_cond_init(&workers->crowded, &attr);
    pthread_condattr_destroy(&attr);
    *ret_workers = workers;
    return APR_SUCCESS;
}

/* ---- one thread -------------------------------------------------------------------------------*/

static struct timespec after_ms(int ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    return until;
}

/* Whether JOBS has a job, and may run one more. Under the lock. */
static bool may_run(const struct mrc_exchange_workers *workers,
                    const struct mrc_exchange_jobs *jobs)
{
    return jobs->jobs.first && jobs->running < (workers->max + 1) / 2;
}

/* The threads that take jobs. Under the lock. */
static unsigned serving(const struct mrc_exchange_workers *workers)
{
    return workers->running - workers->leaving;
}

/* Waits until there is a job, or the thread is to end. Under the lock. */
static void wait_for_job(struct mrc_exchange_workers *workers)
{
    struct timespec until = after_ms(IDLE_S * 1000);
    int err = 0;

    workers->idle++;
    while (!workers->waiting.first && !workers->is_stopping &&
           (!err || serving(workers) <= KEEP_MIN)) {
        if (serving(workers) > KEEP_MIN)
            err = pthread_cond_timedwait(&workers->posted, &workers->lock, &until);
        else
            pthread_cond_wait(&workers->posted, &workers->lock);
    }
    workers->idle--;
}

/* Waits for a job. NULL: the thread is to end, and is one of those that leave. Under the lock. */
static struct mrc_exchange_job *take_job(struct mrc_exchange_workers *workers)
{
    struct mrc_exchange_jobs *jobs;
    struct mrc_exchange_job *job;

    wait_for_job(workers);
    jobs = (struct mrc_exchange_jobs *)mrc_list_take(&workers->waiting);
    if (!jobs) {
        workers->leaving++;
        return NULL;
    }
    job = (struct mrc_exchange_job *)mrc_list_take(&jobs->jobs);
    jobs->running++;
    if (may_run(workers, jobs)) /* the next one after those of other sessions */
        mrc_list_append(&workers->waiting, &jobs->link);
    workers->waiting_count--;
    workers->taken++;
    return job;
}

static apr_pool_t *create_pool(void)
{
    apr_allocator_t *allocator;
    apr_pool_t *pool;

    if (apr_allocator_create(&allocator) != APR_SUCCESS)
        return NULL;
    apr_allocator_max_free_set(allocator, ap_max_mem_free);
    if (mrc_pool_create(&pool, allocator) != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return NULL;
    }
    apr_allocator_owner_set(allocator, pool);
    apr_pool_tag(pool, "mercure_http2_worker");
    return pool;
}

apr_pool_t *mrc_exchange_worker_take_pool(struct mrc_exchange_worker *worker)
{
    apr_pool_t *pool = create_pool(), *before = worker->pool;

    if (!pool)
        return NULL;
    worker->pool = pool;
    return before;
}

static void run_jobs(struct mrc_exchange_workers *workers, struct mrc_exchange_worker *worker)
{
    struct mrc_exchange_job *job;

    while ((job = take_job(workers))) {
        worker->job = workers->taken;
        pthread_mutex_unlock(&workers->lock);
        job->run(job, worker);
        pthread_mutex_lock(&workers->lock);
    }
}

static void *APR_THREAD_FUNC run_thread(apr_thread_t *thread, void *data)
{
    struct thread *self = data;
    struct mrc_exchange_workers *workers = self->workers;
    struct mrc_exchange_worker worker = {
        .pool = self->jobs_pool, .thread = thread, .number = (unsigned)(self - workers->threads)};

    pthread_mutex_lock(&workers->lock);
    run_jobs(workers, &worker);
    pthread_mutex_unlock(&workers->lock);
    if (worker.leave)
        worker.leave(&worker);
    apr_pool_destroy(worker.pool);
    pthread_mutex_lock(&workers->lock);
    self->is_running = false;
    workers->running--;
    workers->leaving--;
    pthread_cond_signal(&workers->ended);
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

/* ---- all of them ------------------------------------------------------------------------------*/

/* Joins a thread that has ended, and frees its memory. */
static void forget(struct thread *thread)
{
    apr_status_t unused;

    if (!thread->pool)
        return;
    if (thread->thread)
        apr_thread_join(&unused, thread->thread);
    apr_pool_destroy(thread->pool);
    thread->pool = NULL;
    thread->thread = NULL;
}

static bool start_in(struct thread *thread, apr_thread_start_t run)
{
    forget(thread);
    if (mrc_pool_create(&thread->pool, NULL) != APR_SUCCESS)
        return false;
    thread->is_running = true;
    if (mrc_thread_start(thread->pool, run, thread, &thread->thread) == APR_SUCCESS)
        return true;
    thread->thread = NULL;
    thread->is_running = false;
    return false;
}

/* Starts one more thread. Under the lock. */
static bool start_thread(struct mrc_exchange_workers *workers)
{
    struct thread *thread = workers->threads;

    while (thread->is_running)
        thread++;
    thread->workers = workers;
    thread->jobs_pool = create_pool();
    if (!thread->jobs_pool)
        return false;
    workers->running++;
    if (start_in(thread, run_thread))
        return true;
    workers->running--;
    apr_pool_destroy(thread->jobs_pool);
    return false;
}

/*
 * While jobs wait, starts threads if the others have taken few jobs in the last WATCH_MS: the jobs
 * then wait for something other than the processor. The number of threads doubles until that helps.
 */
static void *APR_THREAD_FUNC watch(apr_thread_t *thread, void *data)
{
    struct mrc_exchange_workers *workers = ((struct thread *)data)->workers;

    pthread_mutex_lock(&workers->lock);
    while (!workers->is_stopping) {
        unsigned taken = workers->taken, more = serving(workers) ? serving(workers) : 1;
        struct timespec until = after_ms(WATCH_MS);

        workers->is_watching = workers->waiting.first != NULL;
        if (!workers->is_watching) {
            pthread_cond_wait(&workers->crowded, &workers->lock);
            continue;
        }
        pthread_cond_timedwait(&workers->crowded, &workers->lock, &until);
        if (workers->taken - taken > more / 2)
            continue;
        while (more-- > 0 && workers->waiting_count > workers->idle &&
               workers->running < workers->max && start_thread(workers))
            ;
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

/* Gets JOB, for which no thread is idle, a thread soon. False: there is none. Under the lock. */
static bool add_thread(struct mrc_exchange_workers *workers)
{
    if (serving(workers) < START_AT_ONCE && workers->running < workers->max)
        return start_thread(workers) || serving(workers) > 0;
    if (!workers->watcher.is_running) {
        workers->watcher.workers = workers;
        start_in(&workers->watcher, watch);
    } else if (!workers->is_watching) {
        pthread_cond_signal(&workers->crowded);
    }
    return true;
}

bool mrc_exchange_workers_post(struct mrc_exchange_workers *workers, struct mrc_exchange_jobs *jobs,
                               struct mrc_exchange_job *job)
{
    bool ok = true, wakes = false;

    pthread_mutex_lock(&workers->lock);
    if (workers->is_stopping)
        ok = false;
    else if (workers->waiting_count >= workers->idle)
        ok = add_thread(workers);
    if (ok) {
        bool is_waiting = may_run(workers, jobs);

        mrc_list_append(&jobs->jobs, &job->link);
        if (!is_waiting && may_run(workers, jobs))
            mrc_list_append(&workers->waiting, &jobs->link);
        workers->waiting_count++;
        wakes = workers->idle > 0;
    }
    pthread_mutex_unlock(&workers->lock);
    if (wakes)
        pthread_cond_signal(&workers->posted);
    return ok;
}

void mrc_exchange_workers_done(struct mrc_exchange_workers *workers, struct mrc_exchange_jobs *jobs)
{
    bool was_waiting;

    pthread_mutex_lock(&workers->lock);
    was_waiting = may_run(workers, jobs);
    jobs->running--;
    if (!was_waiting && may_run(workers, jobs)) {
        mrc_list_append(&workers->waiting, &jobs->link);
        if (workers->idle > 0)
            pthread_cond_signal(&workers->posted);
    }
    pthread_mutex_unlock(&workers->lock);
}

bool mrc_exchange_workers_are_short(struct mrc_exchange_workers *workers)
{
    bool are_short;

    pthread_mutex_lock(&workers->lock);
    are_short = workers->waiting.first && workers->idle == 0 && workers->running >= workers->max;
    pthread_mutex_unlock(&workers->lock);
    return are_short;
}

unsigned mrc_exchange_workers_busy(struct mrc_exchange_workers *workers)
{
    unsigned busy;

    pthread_mutex_lock(&workers->lock);
    busy = serving(workers) - workers->idle;
    pthread_mutex_unlock(&workers->lock);
    return busy;
}

bool mrc_exchange_workers_stop(struct mrc_exchange_workers *workers, int wait_ms)
{
    struct timespec until = after_ms(wait_ms);
    int err = 0;

    if (!workers)
        return true;
    pthread_mutex_lock(&workers->lock);
    workers->is_stopping = true;
    pthread_cond_broadcast(&workers->posted);
    pthread_cond_broadcast(&workers->crowded);
    while (workers->running > 0 && !err)
        err = pthread_cond_timedwait(&workers->ended, &workers->lock, &until);
    pthread_mutex_unlock(&workers->lock);
    if (err)
        return false;
    forget(&workers->watcher);
    for (unsigned i = 0; i < workers->max; i++)
        forget(&workers->threads[i]);
    return true;
}
