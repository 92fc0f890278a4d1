/*
 * Jobs: a thread of each child for work that may wait and belongs to no request, such as a write to
 * a log that is a pipe and hangs. A thread that must not wait, above all a dispatcher's, posts it.
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

/* One job, which belongs to the thread once it is posted: RUN frees what holds it. */
struct mrc_job {
    struct mrc_link link; /* among those that wait */
    void (*run)(struct mrc_job *job, apr_thread_t *thread);
};

/* With this many jobs that wait mrc_jobs_is_full(). Each is some hundred bytes. */
#define MRC_JOBS_MAX 4096

/* Starts the thread. The struct lives in POOL. */
apr_status_t mrc_jobs_start(apr_pool_t *pool, struct mrc_jobs **ret_jobs);

/* Hands JOB over, even if there are MRC_JOBS_MAX. Any thread; never waits for a job. */
void mrc_jobs_post(struct mrc_jobs *jobs, struct mrc_job *job);

/* Whether a caller that can wait should wait before it posts. Any thread; never blocks. */
bool mrc_jobs_is_full(const struct mrc_jobs *jobs);

/*
 * Runs all that was posted, and ends the thread; nothing may be posted any more. False: the thread
 * has not ended within some seconds. Then it begins with no other job, and the process has to end
 * without it. Accepts NULL.
 */
bool mrc_jobs_stop(struct mrc_jobs *jobs);

#endif
