#include "hub/thread.h"

#include <signal.h>

static const int own_faults[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};

apr_status_t mrc_thread_start(apr_pool_t *pool, apr_thread_start_t run, void *arg,
                              apr_thread_t **ret_thread)
{
    sigset_t all, mask;
    apr_status_t status;

    sigfillset(&all);
    for (size_t i = 0; i < sizeof(own_faults) / sizeof(own_faults[0]); i++)
        sigdelset(&all, own_faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &mask); /* the thread inherits the mask */
    status = apr_thread_create(ret_thread, NULL, run, arg, pool);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return status;
}
