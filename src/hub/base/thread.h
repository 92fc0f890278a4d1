/*
 * Threads of the module's own, beside httpd's.
 */
#ifndef MRC_HUB_BASE_THREAD_H
#define MRC_HUB_BASE_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "apr_pools.h"
#include "apr_thread_proc.h"

/*
 * Starts a thread that no signal reaches but those which it brings on itself: httpd's handler then
 * says so, and dumps core if it may.
 */
apr_status_t mrc_thread_start(apr_pool_t *pool, apr_thread_start_t run, void *arg,
                              apr_thread_t **ret_thread);

/*
 * Waits until THREAD has ended, up to UNTIL_US of hub/base/clock.h. False: it has not, and then the
 * process has to end without it: prefork comes here within a signal handler, which may have
 * interrupted what holds a lock that the thread needs, such as the allocator's.
 */
bool mrc_thread_join(apr_thread_t *thread, int64_t until_us);

/*
 * From the first to the second no signal comes to the calling thread but those which it brings on
 * itself. Whatever holds a lock that a thread of the module's may wait for does so, or prefork
 * could end the child from within its handler, which would wait for that thread. MASK is what was
 * blocked before.
 */
void mrc_thread_hold_signals(sigset_t *ret_mask);
void mrc_thread_let_signals(const sigset_t *mask);

/*
 * Takes and gives back MUTEX, which a request's thread and one of the module's own share. Meanwhile
 * no signal comes at all.
 */
void mrc_thread_lock(pthread_mutex_t *mutex, sigset_t *ret_mask);
void mrc_thread_unlock(pthread_mutex_t *mutex, const sigset_t *mask);

#endif
