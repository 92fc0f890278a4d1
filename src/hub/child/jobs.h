/*
 * Errands: a thread of each child that does what may wait and yet is nobody's request, such as
 * writing to a log that is a pipe and hangs. Whoever must not wait, above all a dispatcher, posts
 * it. Errands are run one after the other, in the order in which they came.
 */
#ifndef MRC_HUB_CHILD_JOBS_H
#define MRC_HUB_CHILD_JOBS_H

#include <stdbool.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "apr_thread_proc.h"

struct mrc_jobs;

/* One errand, which belongs to the thread once it is posted: RUN frees what holds it. */
struct mrc_job {
    struct mrc_job *next;
    void (*run)(struct mrc_job *errand, apr_thread_t *thread);
};

/* So many wait before it is said to be full: what streams leave behind, some hundred bytes each. */
#define MRC_JOBS_MAX 4096

/* Starts the thread. The struct lives in POOL. */
apr_status_t mrc_jobs_start(apr_pool_t *pool, struct mrc_jobs **ret_errands);

/* Takes ERRAND over, even if it is full. Any thread; never waits for an errand. */
void mrc_jobs_post(struct mrc_jobs *errands, struct mrc_job *errand);

/* Whether who can should rather wait than post. Any thread; never blocks. */
bool mrc_jobs_is_full(const struct mrc_jobs *errands);

/*
 * Runs all that was posted, and ends the thread; nothing may be posted any more. False: it has not
 * ended within some seconds; it begins with no other errand, and the process has to end without it.
 * Accepts NULL.
 */
bool mrc_jobs_stop(struct mrc_jobs *errands);

#endif
