/*
 * A thread of the hub's own, in a process whose signals are httpd's affair.
 */
#ifndef MRC_HUB_THREAD_H
#define MRC_HUB_THREAD_H

#include "apr_errno.h"
#include "apr_pools.h"
#include "apr_thread_proc.h"

/* Starts RUN(thread, ARG) in a thread in which all signals are blocked but those of its own faults.
 */
apr_status_t mrc_thread_start(apr_pool_t *pool, apr_thread_start_t run, void *arg,
                              apr_thread_t **ret_thread);

#endif
