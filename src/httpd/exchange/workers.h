/*
 * The threads of a child that handle requests of HTTP/2. Their number grows with the requests that
 * wait, up to a maximum, and shrinks again. Sessions take turns: a connection with many requests
 * delays those of others by one at a time. It never has more than half of the threads, so other
 * clients are served when its requests take long, or when it does not read its responses.
 */
#ifndef MRC_HTTPD_EXCHANGE_WORKERS_H
#define MRC_HTTPD_EXCHANGE_WORKERS_H

#include <stdbool.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "apr_thread_proc.h"

#include "hub/base/list.h"

struct mrc_exchange_workers;

/* What a job gets from its thread. */
struct mrc_exchange_worker {
    apr_pool_t *pool; /* empty; the job clears it when it has used it */
    apr_thread_t *thread;
    unsigned number;        /* of the thread, from 0 */
    unsigned job;           /* the number of its job, of all that there have been */
    int sb_child, sb_place; /* in the scoreboard (scoreboard.h) */
    /* Called at the end of the thread; NULL: nothing is to do. */
    void (*leave)(struct mrc_exchange_worker *worker);
};

/* A job is embedded in the object that it is about, which must live until it has run. run() calls
 * mrc_exchange_workers_done(). */
struct mrc_exchange_job {
    struct mrc_list_link link;
    void (*run)(struct mrc_exchange_job *job, struct mrc_exchange_worker *worker);
};

/* The jobs of one session that wait. Zeroed: none. It lives as long as any of them. */
struct mrc_exchange_jobs {
    struct mrc_list_link link; /* among those that have a job which may run */
    struct mrc_list jobs;
    unsigned running;
};

/* Gives WORKER another pool, and the caller the one that it had, to destroy. NULL: out of memory.
 * In its thread. */
apr_pool_t *mrc_exchange_worker_take_pool(struct mrc_exchange_worker *worker);

/* At most MAX threads; none runs yet. Lives in POOL. */
apr_status_t mrc_exchange_workers_create(apr_pool_t *pool, unsigned max,
                                         struct mrc_exchange_workers **ret_workers);

/* Adds JOB to the JOBS of its session. Any thread. False: no thread could be started to run it, or
 * the child ends. */
bool mrc_exchange_workers_post(struct mrc_exchange_workers *workers, struct mrc_exchange_jobs *jobs,
                               struct mrc_exchange_job *job);

/* One of the JOBS has run, except for the end of its run(), which may free JOBS afterwards. */
void mrc_exchange_workers_done(struct mrc_exchange_workers *workers,
                               struct mrc_exchange_jobs *jobs);

/* Whether a job waits although there are as many threads as there may be, and all of them are busy.
 * A job that waits for others of its session does not count. Any thread. */
bool mrc_exchange_workers_are_short(struct mrc_exchange_workers *workers);

/* The threads that run a job now. Any thread. */
unsigned mrc_exchange_workers_busy(struct mrc_exchange_workers *workers);

/*
 * Runs the jobs that wait, and ends the threads; no job can be added any more. False: a job still
 * runs after WAIT_MS; call it again, or let the process end. Accepts NULL.
 */
bool mrc_exchange_workers_stop(struct mrc_exchange_workers *workers, int wait_ms);

#endif
