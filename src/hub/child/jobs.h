/*
 * Jobs: a thread of each child for work that may block and belongs to no request, such as a write
 * to a log that is a pipe. Threads that must not block, above all the dispatchers, post such work.
 * Jobs run one after the other, in the order in which they were posted.
 */
#ifndef MRC_HUB_CHILD_JOBS_H
#define MRC_HUB_CHILD_JOBS_H

#include <stdbool.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "apr_thread_proc.h"

#include "hub/base/list.h"

struct mrc_jobs;

/* One job. Once it is posted, it belongs to the thread of the jobs: RUN frees the object that
 * contains it. */
struct mrc_job {
    struct mrc_list_link link; /* among those that wait */
    void (*run)(struct mrc_job *job, apr_thread_t *thread);
};

/* mrc_jobs_is_full() while this many jobs wait. Each takes some hundred bytes. */
#define MRC_JOBS_MAX 4096

/* Starts the thread. The struct lives in POOL. */
apr_status_t mrc_jobs_start(apr_pool_t *pool, struct mrc_jobs **ret_jobs);

/* Hands JOB over, even if MRC_JOBS_MAX jobs wait. Any thread; never waits for a job. */
void mrc_jobs_post(struct mrc_jobs *jobs, struct mrc_job *job);

/* Whether a caller that can wait should wait before it posts. Any thread; never blocks. */
bool mrc_jobs_is_full(const struct mrc_jobs *jobs);

/*
 * Runs all posted jobs, and ends the thread; nothing may be posted any more. False: the thread has
 * not ended within some seconds. Then it starts no other job, and the process must end without
 * waiting for it. Accepts NULL.
 */
bool mrc_jobs_stop(struct mrc_jobs *jobs);

#endif
