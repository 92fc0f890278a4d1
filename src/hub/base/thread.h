/*
 * The module's own threads, in addition to those of httpd, and their handling of signals.
 *
 * Prefork ends a child inside a signal handler, which stops the module's threads and waits for
 * them. The handler may have interrupted a request that holds a lock. If a thread of the module
 * waited for that lock, both would wait forever. So a request blocks signals while it holds such a
 * lock.
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
 * Starts a thread in which all signals are blocked, except those that the thread itself causes
 * (SIGSEGV and the like): for these httpd's handler writes a line to the log, and a core dump if
 * that is allowed.
 */
apr_status_t mrc_thread_start(apr_pool_t *pool, apr_thread_start_t run, void *arg,
                              apr_thread_t **ret_thread);

/*
 * Waits until THREAD has ended, up to UNTIL_US of store/base/clock.h. False: it has not ended, and
 * the process must end without waiting for it. A signal handler of prefork may have interrupted the
 * owner of a lock that the thread needs, such as the allocator's.
 */
bool mrc_thread_join(apr_thread_t *thread, int64_t until_us);

/*
 * Between these two calls, the calling thread gets no signals except those that it causes itself. A
 * thread of httpd calls them around a lock that a thread of the module may wait for. The mask has
 * the signals that were blocked before.
 */
void mrc_thread_hold_signals(sigset_t *ret_mask);
void mrc_thread_let_signals(const sigset_t *mask);

/* Locks and unlocks MUTEX, which a thread of httpd and one of the module share. All signals are
 * blocked in between. */
void mrc_thread_lock(pthread_mutex_t *mutex, sigset_t *ret_mask);
void mrc_thread_unlock(pthread_mutex_t *mutex, const sigset_t *mask);

#endif
