/*
 * Makes threads seem not to end in time. The program is linked with -Wl,--wrap=mrc_thread_join.
 */
#ifndef MRC_TESTS_LATE_THREADS_H
#define MRC_TESTS_LATE_THREADS_H

#include <stdbool.h>
#include <stdint.h>

#include "hub/base/thread.h"

static bool threads_are_late;
static unsigned late_threads; /* how many were waited for meanwhile; they have ended */

#pragma GCC visibility push(default)
bool __real_mrc_thread_join(apr_thread_t *thread, int64_t until_us);
bool __wrap_mrc_thread_join(apr_thread_t *thread, int64_t until_us);
#pragma GCC visibility pop

bool __wrap_mrc_thread_join(apr_thread_t *thread, int64_t until_us)
{
    bool has_ended = __real_mrc_thread_join(thread, until_us);

    if (threads_are_late)
        late_threads++;
    return has_ended && !threads_are_late;
}

#endif
